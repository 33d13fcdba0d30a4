Register-ArgumentCompleter -Native -CommandName mdb-login -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # The words as they were parsed. They are never evaluated: a TAB must not run anything that was typed.
    $words = @(
        foreach ($element in $commandAst.CommandElements) {
            if ($element.Extent.StartOffset -ge $cursorPosition) { break }
            if ($element -is [System.Management.Automation.Language.StringConstantExpressionAst]) {
                $element.Value
            } else {
                $element.Extent.Text
            }
        }
    )
    $index = if ($wordToComplete -eq '') { $words.Count } else { $words.Count - 1 }

    $before = $env:MDB_LOGIN_COMPLETE, $env:_CLAP_COMPLETE_INDEX
    try {
        $env:MDB_LOGIN_COMPLETE = 'powershell'
        $env:_CLAP_COMPLETE_INDEX = $index
        $candidates = & mdb-login -- @words 2>$null
    } finally {
        # A variable that is set to $null is gone.
        $env:MDB_LOGIN_COMPLETE, $env:_CLAP_COMPLETE_INDEX = $before
    }

    foreach ($candidate in $candidates) {
        $value, $help = $candidate -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
}
