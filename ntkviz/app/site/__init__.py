"""The static edition: the course as a folder of plain files, whose pages need no server and no kernel."""
