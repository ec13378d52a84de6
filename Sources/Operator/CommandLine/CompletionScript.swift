// SPDX-License-Identifier: Apache-2.0

/// What makes a shell ask `keyturn completion words`, which knows the commands and their options.
enum CompletionScript: String, CaseIterable {
  case bash, zsh, fish

  var text: String {
    switch self {
    case .bash:
      #"""
      # Completion of keyturn(1) for bash; made by keyturn completion bash.
      _keyturn() {
        local line word=${COMP_WORDS[COMP_CWORD]}
        COMPREPLY=()
        while IFS= read -r line; do
          case $line in
            :files) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
            :directories) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
            *) COMPREPLY+=("$line") ;;
          esac
        done < <("${COMP_WORDS[0]}" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
      }
      complete -F _keyturn keyturn

      """#
    case .zsh:
      #"""
      #compdef keyturn
      # Completion of keyturn(1) for zsh; made by keyturn completion zsh.
      _keyturn() {
        local line
        local -a found
        for line in ${(f)"$("${words[1]}" completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
          case $line in
            :files) _files ;;
            :directories) _files -/ ;;
            *) found+=("$line") ;;
          esac
        done
        (( ${#found} )) && compadd -- "${found[@]}"
      }
      if [ "$funcstack[1]" = _keyturn ]; then _keyturn "$@"; else compdef _keyturn keyturn; fi

      """#
    case .fish:
      #"""
      # Completion of keyturn(1) for fish; made by keyturn completion fish.
      function __keyturn_words
          set -l words (commandline -opc) (commandline -ct)
          for line in ($words[1] completion words -- $words[2..-1] 2>/dev/null)
              switch $line
                  case :files
                      __fish_complete_path (commandline -ct)
                  case :directories
                      __fish_complete_directories (commandline -ct)
                  case '*'
                      echo $line
              end
          end
      end
      complete -c keyturn -f -a '(__keyturn_words)'

      """#
    }
  }
}
