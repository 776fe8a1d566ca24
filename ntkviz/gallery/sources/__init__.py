"""Models as their authors write them, one a file, imported when they are traced; nothing here knows of ntkviz."""
