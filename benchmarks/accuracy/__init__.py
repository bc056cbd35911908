"""What the plugin reports in hand-labelled real files, set against the labels."""
