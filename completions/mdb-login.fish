complete --keep-order --exclusive --command mdb-login --arguments "(MDB_LOGIN_COMPLETE=fish mdb-login -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
