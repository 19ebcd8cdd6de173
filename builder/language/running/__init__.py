"""Running a definition: for every variant, and again to prove that no late value decides anything."""
