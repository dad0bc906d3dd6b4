/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

const struct verb verbs[] = {
    {"check", "BLUEPRINT", "Look at blueprint and hosts; change nothing", "offline", 1, 1,
     verb_check},
    {"plan", "BLUEPRINT", "Show the steps, and each disk they would wipe", NULL, 1, 1, verb_plan},
    {"deploy", "BLUEPRINT", "Make it so; run again, it resumes", "yes,plan", 1, 1, verb_deploy},
    {"status", "", "How the cluster is", "ca,detail", 0, 0, verb_status},
    {"verify", "", "Prove that the manager lies there encrypted", NULL, 0, 0, verb_verify},
    {"destroy", "BLUEPRINT", "Undo all of it, keys last", "yes-destroy", 1, 1, verb_destroy},
    {"blueprint new", "FILE", "Write a commented starter file", NULL, 1, 1, verb_blueprint_new},
    {"blueprint show", "FILE", "Show it as understood, defaults included", NULL, 1, 1,
     verb_blueprint_show},
    {"blueprint get", "FILE PATH", "Print one parameter", NULL, 2, 2, verb_blueprint_get},
    {"blueprint set", "FILE PATH VALUE", "Change one parameter, comments kept", NULL, 3, 3,
     verb_blueprint_set},
    {"blueprint schema", "", "Print the JSON Schema of a blueprint", NULL, 0, 0,
     verb_blueprint_schema},
    {"host list", "", "The hosts and how they are", NULL, 0, 0, verb_host_list},
    {"key list", "", "The key provider, its KEK and what it protects", NULL, 0, 0, verb_key_list},
    {"key backup", "", "Fetch a backup of the native key provider", "file,password-file", 0, 0,
     verb_key_backup},
    {"key recover", "", "Put such a backup back onto the first host", "file,password-file", 0, 0,
     verb_key_recover},
    {0},
};
