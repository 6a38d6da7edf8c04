/**
 * One script for each shell. They ask `rollcall __complete -- WORD …` and understand its lines: see
 * `candidates.ts`. The program asked is the one that was typed, wherever it lies.
 */

const BASH = String.raw`# Completion of rollcall for bash: source <(rollcall completion bash)
_rollcall() {
  local line current="${'$'}{COMP_WORDS[COMP_CWORD]}"
  [[ $current == "=" ]] && current=""
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files)
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current") ;;
      :commands)
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "$current") ;;
      :nospace) compopt -o nospace 2>/dev/null ;;
      *) COMPREPLY+=("${'$'}{line%%$'\t'*}") ;;
    esac
  done < <("${'$'}{COMP_WORDS[0]}" __complete -- "${'$'}{COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _rollcall rollcall
`

const ZSH = String.raw`#compdef rollcall
# Completion of rollcall for zsh: source <(rollcall completion zsh)
_rollcall() {
  local line name
  local -a lines shown nospace
  while IFS= read -r line; do
    case $line in
      :files) _files ;;
      :commands) _command_names -e ;;
      :nospace) nospace=(-S '') ;;
      *)
        name=${'$'}{line%%$'\t'*}
        lines+=("$name")
        if [[ $line == *$'\t'* ]]; then shown+=("$name  ${'$'}{line#*$'\t'}"); else shown+=("$name"); fi ;;
    esac
  done < <("${'$'}{words[1]}" __complete -- "${'$'}{(@)words[2,CURRENT]}" 2>/dev/null)
  (( ${'$'}{#lines} )) && compadd -l "${'$'}{nospace[@]}" -d shown -a lines
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _rollcall "$@"; else compdef _rollcall rollcall; fi
`

const FISH = String.raw`# Completion of rollcall for fish
function __rollcall_complete
  set -l typed (commandline -opc)
  set -l current (commandline -ct)
  set -l program $typed[1]
  for line in ($program __complete -- $typed[2..-1] "$current" 2>/dev/null)
    switch $line
      case ':files'
        __fish_complete_path "$current"
      case ':commands'
        __fish_complete_command
      case ':nospace'
      case '*'
        printf '%s\n' $line
    end
  end
end
complete -c rollcall -f -a '(__rollcall_complete)'
`

/** By the name of the shell. */
export const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH }
