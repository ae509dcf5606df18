/* cli_policy.c - hassim policy: its verbs. */
#include "cli.h"
#include "cli_policy_int.h"

int cli_policy(int argc, char **argv) {
    static const cli_verb verbs[] = {
        {"list", "[NAME]", "the policies and their parameters", cli_policy_list},
        {"new", "NAME", "write a working policy of your own, and say how to build it", cli_policy_new},
        {"test", "PATH|NAME", "does a policy keep the contract? a verdict per item", cli_policy_test},
        {0},
    };
    return cli_run_verb(verbs, "hassim policy", argc, argv);
}
