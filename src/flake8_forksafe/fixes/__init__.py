"""How fixes are worded: each module builds the edits of one kind of repair from what the model knows. No libcst."""
