"""Writes completion scripts for bash, fish and zsh. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tcbsync.cli.completion import Option, Verb

NAMES = r"""sed -n 's/^ *- *{\{0,1\} *name: *["'\'']\{0,1\}\([A-Za-z0-9._-]*\).*/\1/p' "$config" 2>/dev/null"""
"""Prints the mirrors that a configuration names, one a line."""
PLACES = ("./config.yaml", "/etc/tcbsync/config.yaml")

POSIX_MIRRORS = f"""\
_tcbsync_mirrors() {{
    local config="${{TCBSYNC_CONFIG:-}}" word last="" place
    for word in "$@"; do
        case "$last" in -c|--config) config="${{word/#\\~\\//$HOME/}}" ;; esac
        last="$word"
    done
    for place in {" ".join(PLACES)}; do
        [ -z "$config" ] && [ -r "$place" ] && config="$place"
    done
    {NAMES}
}}
"""

BASH = """\
# TAB for tcbsync in bash: source <(tcbsync completion bash)
{mirrors}
_tcbsync_offer() {{
    local offered
    while IFS= read -r offered; do
        [ -n "$offered" ] && COMPREPLY+=("$offered")
    done < <(compgen "$@" -- "$cur")
}}

_tcbsync_files() {{
    compopt -o filenames 2>/dev/null
    _tcbsync_offer -f
}}

_tcbsync() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" verb="" word options="" last=""
    COMPREPLY=()
    if [ "$cur" = "=" ]; then
        cur=""
    elif [ "$prev" = "=" ]; then
        prev="${{COMP_WORDS[COMP_CWORD-2]}}"
    fi
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$verb $word" in
{paths}
        esac
    done
    case "$verb" in
{cases}
    *)
        options="-h --help --version"
        [[ "$cur" == -* ]] || _tcbsync_offer -W {verbs}
        ;;
    esac
    if [[ "$cur" == -* ]]; then
        _tcbsync_offer -W "$options"
    fi
}}

complete -F _tcbsync tcbsync
"""

BASH_ACTIONS = {
    "file": "_tcbsync_files",
    "mirror": '_tcbsync_offer -W "$(_tcbsync_mirrors "${COMP_WORDS[@]}")"',
    "": ":",
}


def bash(verbs: Sequence[Verb]) -> str:
    """Write the script for bash, 4.4 and later."""
    paths = "\n".join(f'        "{_above(verb.name)} {_last(verb.name)}") verb="{verb.name}" ;;' for verb in verbs)
    cases = "\n".join(line for verb in verbs for line in _bash_case(verb))
    tops = shlex.quote(" ".join(verb.name for verb in verbs if " " not in verb.name))
    return BASH.format(mirrors=POSIX_MIRRORS, paths=paths, cases=cases, verbs=tops)


def _bash_case(verb: Verb) -> Iterator[str]:
    names = " ".join(name for option in verb.options for name in option.names)
    yield f'    "{verb.name}")'
    yield f'        options="{names}"'
    valued = [option for option in verb.options if option.takes_value]
    if valued:
        yield '        case "$prev" in'
        for option in valued:
            yield f"        {'|'.join(option.names)}) {_bash_action(option)}; return ;;"
        yield "        esac"
    action = _bash_action(verb)
    if action != ":":
        yield f'        [[ "$cur" == -* ]] || {action}'
    yield "        ;;"


def _bash_action(what: Option | Verb) -> str:
    return f"_tcbsync_offer -W {shlex.quote(' '.join(what.words))}" if what.words else BASH_ACTIONS[what.kind]


ZSH = """\
#compdef tcbsync
# TAB for tcbsync in zsh, behind compinit: source <(tcbsync completion zsh)
{mirrors}
_tcbsync_names() {{
    local -a names
    names=("${{(@f)$(_tcbsync_mirrors "${{(@)words}}")}}")
    compadd -a names
}}

_tcbsync() {{
    local curcontext="$curcontext" state line
    local -a state_descr
    typeset -A opt_args
    local -a verbs
{tree}
}}

if [ "$funcstack[1]" = "_tcbsync" ]; then
    _tcbsync "$@"
else
    compdef _tcbsync tcbsync
fi
"""

ZSH_ACTIONS = {"file": "_files", "mirror": "_tcbsync_names", "": " "}


def zsh(verbs: Sequence[Verb]) -> str:
    """Write the script for zsh, 5 and later: a file of $fpath, or something to source."""
    tops = [verb for verb in verbs if " " not in verb.name]
    head = ["'(- *)'{-h,--help}'[show a help text]'", "'(- *)--version[print the version]'"]
    return ZSH.format(mirrors=POSIX_MIRRORS, tree="\n".join(_zsh_branch(head, tops, verbs, "    ")))


def _zsh_branch(options: Sequence[str], tops: Sequence[Verb], verbs: Sequence[Verb], indent: str) -> Iterator[str]:
    """Write how one of `tops` is completed, and what follows it."""
    yield f"{indent}verbs=("
    for verb in tops:
        yield f"{indent}    {shlex.quote(f'{_last(verb.name)}:{verb.text}')}"
    yield f"{indent})"
    yield f"{indent}_arguments -C {' '.join(options)} '1: :->verb' '*:: :->rest'"
    yield f"{indent}case $state in"
    yield f"{indent}verb) _describe -t verbs verb verbs ;;"
    yield f"{indent}rest)"
    yield f"{indent}    case $words[1] in"
    for verb in tops:
        yield f"{indent}    {_last(verb.name)})"
        below = [part for part in verbs if _above(part.name) == verb.name]
        mine = [_zsh_option(option) for option in verb.options]
        if below:
            yield from _zsh_branch(mine, below, verbs, indent + "        ")
        else:
            yield f"{indent}        _arguments {' '.join([*mine, *_zsh_rest(verb)])}"
        yield f"{indent}        ;;"
    yield f"{indent}    esac"
    yield f"{indent}    ;;"
    yield f"{indent}esac"


def _zsh_option(option: Option) -> str:
    text = re.sub(r"([\[\]:\\])", r"\\\1", option.text)
    value = f": :{_zsh_action(option)}" if option.takes_value else ""
    if len(option.names) == 1:
        return shlex.quote(f"*{option.names[0]}[{text}]{value}")
    return f"'*'{{{','.join(option.names)}}}{shlex.quote(f'[{text}]{value}')}"


def _zsh_rest(verb: Verb) -> list[str]:
    action = _zsh_action(verb)
    return [shlex.quote(f"*: :{action}")] if action.strip() else []


def _zsh_action(what: Option | Verb) -> str:
    return f"({' '.join(what.words)})" if what.words else ZSH_ACTIONS[what.kind]


FISH = r"""# TAB for tcbsync in fish: tcbsync completion fish > ~/.config/fish/completions/tcbsync.fish
function __tcbsync_mirrors
    set -l config $TCBSYNC_CONFIG
    set -l words (commandline -opc)
    for index in (seq (count $words))
        if contains -- $words[$index] -c --config; and test $index -lt (count $words)
            set config (string replace -r '^~/' "$HOME/" -- $words[(math $index + 1)])
        end
    end
    for place in {places}
        if test -z "$config"; and test -r $place
            set config $place
        end
    end
    string replace -rf '^ *- *\{? *name: *["\']?([A-Za-z0-9._-]+).*' '$1' <$config 2>/dev/null
end

function __tcbsync_is
    set -l said ""
    for word in (commandline -opc)[2..]
        switch (string trim "$said $word")
            case {paths}
                set said (string trim "$said $word")
        end
    end
    test "$said" = "$argv"
end

complete -c tcbsync -f
complete -c tcbsync -n '__tcbsync_is ""' -s h -l help -d 'show a help text'
complete -c tcbsync -n '__tcbsync_is ""' -l version -d 'print the version'
"""

FISH_ACTIONS = {"file": "-r -F", "mirror": "-x -a '(__tcbsync_mirrors)'", "": "-x"}


def fish(verbs: Sequence[Verb]) -> str:
    """Write the script for fish, 3 and later."""
    paths = " ".join(shlex.quote(verb.name) for verb in verbs)
    lines = [FISH.replace("{places}", " ".join(PLACES)).replace("{paths}", paths)]
    for verb in verbs:
        above = _fish_where(_above(verb.name))
        lines.append(f"{above} -a {_last(verb.name)} -d {_fish(verb.text)}\n")
        mine = _fish_where(verb.name)
        lines += [f"{mine} {_fish_option(option)} -d {_fish(option.text)}\n" for option in verb.options]
        if verb.kind == "file":
            lines.append(f"{mine} -F\n")
        elif verb.kind == "mirror":
            lines.append(f"{mine} -a '(__tcbsync_mirrors)'\n")
        elif verb.words and not any(_above(part.name) == verb.name for part in verbs):
            lines.append(f"{mine} -a {_fish(' '.join(verb.words))}\n")
    return "".join(lines)


def _fish_where(name: str) -> str:
    return f"complete -c tcbsync -n '__tcbsync_is \"{name}\"'"


def _fish(text: str) -> str:
    """Quote for fish, where a backslash in single quotes stands for itself but before another, or a quote."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_option(option: Option) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    value = ""
    if option.takes_value:
        value = f" -x -a {_fish(' '.join(option.words))}" if option.words else f" {FISH_ACTIONS[option.kind]}"
    return " ".join(names) + value


def _above(name: str) -> str:
    return name.rpartition(" ")[0]


def _last(name: str) -> str:
    return name.rpartition(" ")[2]


WRITERS: dict[str, Callable[[Sequence[Verb]], str]] = {"bash": bash, "fish": fish, "zsh": zsh}
