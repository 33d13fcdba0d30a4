set edit:completion:arg-completer[mdb-login] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) MDB_LOGIN_COMPLETE="elvish" mdb-login -- $@words) | to-lines
}
