"""Being here puts this folder on the import path: the folders below share its modules."""
