"""Records as a sheet to edit, and the edited sheet as changes."""
