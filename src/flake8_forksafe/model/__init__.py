"""What a module does with processes, pipes, threads, timers and locks: `module` has the questions that rules ask."""
