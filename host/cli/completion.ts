/**
 * `sidegate completion`: a script for a shell, made from the commands themselves, so that it
 * offers what there is and nothing else.
 */
import { Argument, type Command } from 'commander';
import { KINDS } from '../resources/schema/schema.ts';
import { type Context, say } from './context.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

type Shell = (typeof SHELLS)[number];

/** Words after which other words may stand: a command line so far, and what may come next. */
type Table = readonly (readonly [string, readonly string[]])[];

/** Adds the verb. */
export function addCompletion(program: Command, context: Context): void {
  program
    .command('completion')
    .description('print a completion script: eval "$(sidegate completion bash)"')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .action((shell: Shell) => say(context, SCRIPTS[shell](tableOf(program))));
}

function tableOf(program: Command): Table {
  const rows: [string, readonly string[]][] = [];
  const visit = (command: Command, line: string) => {
    const verbs = command.commands.map((child) => child.name());
    const options = command.options.flatMap(({ long }) => long ?? []);
    const [argument] = command.registeredArguments;
    const kinds = /kind|topic/.test(argument?.name() ?? '')
      ? KINDS.map((k) => k.toLowerCase())
      : [];
    rows.push([line, [...verbs, ...(argument?.argChoices ?? []), ...kinds, ...options, '--help']]);
    for (const child of command.commands) visit(child, `${line} ${child.name()}`.trim());
  };
  visit(program, '');
  return rows;
}

const SCRIPTS: Record<Shell, (table: Table) => string> = {
  bash: (table) => `_sidegate() {
  local line="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) line="\${line:+$line }$word" ;; esac
  done
  while :; do
    case "$line" in
${cases(table, '      ')}
    esac
    case "$line" in *" "*) line="\${line% *}" ;; *) break ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sidegate sidegate`,
  zsh: (table) => `#compdef sidegate
_sidegate() {
  local line="" word words_=""
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in -*) ;; *) line="\${line:+$line }$word" ;; esac
  done
  while :; do
    case "$line" in
${cases(table, '      ').replaceAll('words=', 'words_=')}
    esac
    case "$line" in *" "*) line="\${line% *}" ;; *) break ;; esac
  done
  compadd -- \${=words_}
  _files
}
compdef _sidegate sidegate`,
  fish: (table) => `function __sidegate_words
  set -l line (string join ' ' -- (string match -v -- '-*' (commandline -opc)[2..]))
  while true
    switch "$line"
${fishCases(table)}
    end
    string match -q -- '* *' "$line"; or return
    set line (string replace -r -- ' [^ ]*$' '' "$line")
  end
end
complete -c sidegate -a '(__sidegate_words)'`,
};

function cases(table: Table, indent: string): string {
  return table
    .map(([line, words]) => `${indent}"${line}") words="${words.join(' ')}"; break ;;`)
    .join('\n');
}

function fishCases(table: Table): string {
  return table
    .map(
      ([line, words]) => `      case '${line}'\n        printf '%s\\n' ${words.join(' ')}; return`,
    )
    .join('\n');
}
