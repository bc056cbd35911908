"""Programs that really hang, leak, orphan or lose a status, and what it takes to run them safely."""
