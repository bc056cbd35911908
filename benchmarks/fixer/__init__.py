"""What `forksafe-fix` does to real packages: what it repairs, that it repairs once, and that test suites stay as they were."""
