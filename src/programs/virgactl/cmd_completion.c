/* virgactl completion: a script for bash, made from the tables of commands
 * and kinds. */
#include <stdio.h>
#include <string.h>

#include "programs/virgactl/cli.h"
#include "sources/object_store.h"

const char cmd_completion_help[] = "Example:\n"
                                   "  source <(virgactl completion bash)\n";

static void
print_words(void)
{
    fputs("    local commands=\"", stdout);
    for (size_t i = 0; i < n_commands; i++) {
        printf("%s%s", i ? " " : "", commands[i].name);
    }
    fputs("\"\n    local kinds=\"", stdout);
    for (size_t i = 0; i < n_resource_kinds; i++) {
        printf("%s%s", i ? " " : "", resource_kinds[i].plural);
    }
    puts("\"");
}

/* The options in a command's synopsis. */
static void
print_options(const char *synopsis)
{
    for (const char *p = synopsis; (p = strchr(p, '-'));) {
        size_t n = strspn(p, "-abcdefghijklmnopqrstuvwxyzA");

        if ((p == synopsis || strchr(" [|", p[-1])) && n > 1) {
            printf(" %.*s", (int) n, p);
        }
        p += n;
    }
}

static void
print_cases(void)
{
    for (size_t i = 0; i < n_commands; i++) {
        printf("    %s) options=\"", commands[i].name);
        print_options(commands[i].synopsis);
        puts(" --help\" ;;");
    }
}

static void
print_bash(void)
{
    puts("# Completion of virgactl for bash.\n"
         "_virgactl() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
         "    local command= word options=");
    print_words();
    puts("    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "        [[ $word == -* ]] || { command=$word; break; }\n"
         "    done\n"
         "    case $command in");
    print_cases();
    puts(
        "    *) options=\"--api= --token-file= --ca-file= --help --version\" ;;\n"
        "    esac\n"
        "    case $prev,$command in\n"
        "    -f,* | --filename,* | --records,*) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
        "    -n,* | --namespace,*)\n"
        "        word=$(virgactl get namespaces -o name 2>/dev/null)\n"
        "        COMPREPLY=($(compgen -W \"${word//namespace\\//}\" -- \"$cur\")); return ;;\n"
        "    -o,*) COMPREPLY=($(compgen -W \"table wide json yaml name\" -- \"$cur\")); return "
        ";;\n"
        "    get,get | delete,delete | label,label | annotate,annotate)\n"
        "        COMPREPLY=($(compgen -W \"$kinds\" -- \"$cur\")); return ;;\n"
        "    policy,policy) COMPREPLY=($(compgen -W stats -- \"$cur\")); return ;;\n"
        "    completion,completion) COMPREPLY=($(compgen -W bash -- \"$cur\")); return ;;\n"
        "    esac\n"
        "    if [[ $cur == -* || -n $command ]]; then\n"
        "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
        "    else\n"
        "        COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))\n"
        "    fi\n"
        "}\n"
        "complete -F _virgactl virgactl");
}

int
cmd_completion(struct cli *cli, int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[1], "bash")) {
        return cli_usage("completion", "which shell? 'bash' is known");
    }
    print_bash();
    return CLI_OK;
}
