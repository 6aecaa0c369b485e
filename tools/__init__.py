"""What keeps the project's promises: commands for its people, which no stage needs."""
