"""What `forksafe-fix` does to real packages, and that their test suites stay as they were."""
