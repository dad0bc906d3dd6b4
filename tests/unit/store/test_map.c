/* SPDX-License-Identifier: Apache-2.0 */
/* What the cluster says of itself, and what is made of it. The answers are Ceph 16's, shortened. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "store/ceph_map.h"

static json_t *answer_of(const char *text)
{
    AUTO(drop_free) char *quoted = text_copy(text);
    json_t *answer = NULL;
    struct err err = {0};

    for (char *at = quoted; *at; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    assert_true(json_read(quoted, strlen(quoted), &answer, &err));
    return answer;
}

#define MONITOR(name, address)                                                                     \
    "{'name':'" name "','public_addrs':{'addrvec':[{'type':'v2','addr':'" address "','nonce':0}]}" \
    "}"
#define QUORUM(names)                                                                              \
    "{'quorum_names':[" names "],'monmap':{'mons':[" MONITOR("h1", "10.77.0.11:3300") "," MONITOR( \
        "h2", "[fd00::12]:3300") "," MONITOR("h3", "10.77.0.13:3300") "]}}"

static struct ceph_monitors monitors_of(const char *text)
{
    AUTO(drop_json) json_t *answer = answer_of(text);
    struct ceph_monitors monitors = {.count = 0};
    struct err err = {0};

    assert_true(ceph_monitors_read(answer, &monitors, &err));
    return monitors;
}

static void monitors_have_names_addresses_and_a_quorum(void **state)
{
    struct ceph_monitors monitors = monitors_of(QUORUM("'h1','h3'"));

    (void)state;
    assert_int_equal(monitors.count, 3);
    assert_int_equal(monitors.in_quorum, 2);
    assert_string_equal(monitors.each[0].address, "10.77.0.11");
    assert_string_equal(monitors.each[1].address, "fd00::12");
    assert_false(monitors.each[1].in_quorum);
    assert_int_equal(ceph_monitors_find(&monitors, "h3"), 2);
    assert_int_equal(ceph_monitors_find(&monitors, "h4"), -1);
}

static void a_disk_has_an_address_also_when_it_is_down(void **state)
{
    AUTO(drop_json)
    json_t *dump = answer_of("{'osds':[{'osd':0,'up':1,'public_addrs':{'addrvec':["
                             "{'type':'v2','addr':'10.77.0.11:6800','nonce':7}]}},"
                             "{'osd':1,'up':0,'public_addrs':{'addrvec':["
                             "{'type':'v2','addr':'[fd00::12]:6800','nonce':7}]}},"
                             "{'osd':2,'up':0,'public_addrs':{'addrvec':[]}},{'osd':3}]}");
    static const char *const wanted[] = {"10.77.0.11", "fd00::12", "", "", ""};

    (void)state;
    for (int i = 0; i < (int)COUNT_OF(wanted); i++) {
        char address[64];

        ceph_disk_address(dump, i, address);
        assert_string_equal(address, wanted[i]);
    }
}

static void a_monitor_is_spared_only_where_a_majority_stays(void **state)
{
    struct ceph_monitors all = monitors_of(QUORUM("'h1','h2','h3'"));
    struct ceph_monitors two = monitors_of(QUORUM("'h1','h3'"));
    struct ceph_monitors one = {.count = 1, .in_quorum = 1, .each = {{"h1", "10.77.0.11", true}}};

    (void)state;
    assert_true(ceph_monitors_can_spare(&all, "h1"));
    assert_true(ceph_monitors_can_spare(&two, "h2"));  /* the one that is away */
    assert_false(ceph_monitors_can_spare(&two, "h1")); /* one of two would be left */
    assert_false(ceph_monitors_can_spare(&one, "h1"));
    assert_true(ceph_monitors_can_spare(&one, "h9"));
}

/* Three hosts, h3's disk is down, h2's second is out; osd.9 is under nobody. */
static const char tree_text[] =
    "{'nodes':[{'id':-1,'name':'default','type':'root','children':[-7,-5,-3]},"
    "{'id':-3,'name':'h1','type':'host','children':[0]},"
    "{'id':-5,'name':'h2','type':'host','children':[2,1]},"
    "{'id':-7,'name':'h3','type':'host','children':[3]},"
    "{'id':0,'type':'osd','status':'up','reweight':1},"
    "{'id':1,'type':'osd','status':'up','reweight':1},"
    "{'id':2,'type':'osd','status':'up','reweight':0},"
    "{'id':3,'type':'osd','status':'down','reweight':1}],"
    "'stray':[{'id':9,'type':'osd','status':'down','reweight':1}]}";

static struct ceph_tree tree_of(const char *text)
{
    AUTO(drop_json) json_t *answer = answer_of(text);
    struct ceph_tree tree = {.disks = NULL};
    struct err err = {0};

    assert_true(ceph_tree_read(answer, &tree, &err));
    return tree;
}

static void disks_are_counted_with_their_hosts(void **state)
{
    AUTO(drop_tree) struct ceph_tree tree = tree_of(tree_text);
    struct ceph_count all = ceph_tree_count(&tree, -1);
    struct ceph_count second = ceph_tree_count(&tree, ceph_tree_host(&tree, "h2"));

    (void)state;
    assert_int_equal(tree.host_count, 3);
    assert_int_equal(all.all, 5);
    assert_int_equal(all.up, 3);
    assert_int_equal(all.in, 4);
    assert_int_equal(all.ready, 2);
    assert_int_equal(second.all, 2);
    assert_int_equal(second.ready, 1);
    assert_int_equal(ceph_tree_hosts_ready(&tree, -1), 2);
    assert_int_equal(ceph_tree_hosts_ready(&tree, ceph_tree_host(&tree, "h1")), 1);
    assert_int_equal(ceph_tree_disk(&tree, 9)->host, -1);
    assert_null(ceph_tree_disk(&tree, 7));
}

#define POOL(id, name, size, rule, groups)                                                         \
    "{'pool_id':" #id ",'pool_name':'" name "','size':" #size ",'min_size':1,'crush_rule':" #rule  \
    ",'pg_num':" #groups ",'pg_num_target':" #groups ",'application_metadata':{'rbd':{}}}"

static struct ceph_pools pools_of(const char *text)
{
    AUTO(drop_json) json_t *answer = answer_of(text);
    struct ceph_pools pools = {.count = 0};
    struct err err = {0};

    assert_true(ceph_pools_read(answer, &pools, &err));
    return pools;
}

static void pools_are_read(void **state)
{
    struct ceph_pools pools = pools_of("[" POOL(1, "ds1", 2, 1, 4) "," POOL(2, "x", 3, 0, 8) "]");

    (void)state;
    assert_int_equal(pools.count, 2);
    assert_int_equal(ceph_pools_find(&pools, "x")->size, 3);
    assert_int_equal(ceph_pools_find(&pools, "ds1")->groups, 4);
    assert_true(ceph_pools_find(&pools, "ds1")->for_images);
    assert_null(ceph_pools_find(&pools, "y"));
}

#define GROUP(id, how, up, acting)                                                                 \
    "{'pgid':'" id "','state':'" how "','up':" up ",'acting':" acting "}"
#define CLEAN(id, at) GROUP(id, "active+clean", at, at)

/* One group of one pool with two copies on hosts of their own. */
static unsigned settled(const char *group, int rule_of_hosts, const char *leaving)
{
    AUTO(drop_free) char *text = text_make("{'pg_stats':[%s]}", group);
    AUTO(drop_json) json_t *answer = answer_of(text);
    AUTO(drop_tree) struct ceph_tree tree = tree_of(tree_text);
    struct ceph_pools pools = pools_of("[" POOL(1, "ds1", 2, 1, 1) "]");
    const struct ceph_wish wish = {rule_of_hosts, leaving ? ceph_tree_host(&tree, leaving) : -1};
    struct ceph_groups groups = {0, 0};
    struct err err = {0};

    assert_true(ceph_groups_read(answer, &pools, &tree, &wish, &groups, &err));
    assert_int_equal(groups.all, 1);
    return groups.settled;
}

static void a_group_is_settled_when_each_copy_has_its_place(void **state)
{
    (void)state;
    assert_int_equal(settled(CLEAN("1.0", "[0,1]"), 1, NULL), 1);
    assert_int_equal(settled(CLEAN("1.0", "[0]"), 1, NULL), 0);            /* a copy too few */
    assert_int_equal(settled(CLEAN("1.0", "[1,2]"), 1, NULL), 0);          /* on one host */
    assert_int_equal(settled(CLEAN("1.0", "[1,2]"), 0, NULL), 1);          /* which is enough */
    assert_int_equal(settled(CLEAN("1.0", "[0,2147483647]"), 1, NULL), 0); /* a hole */
    assert_int_equal(settled(CLEAN("1.0", "[0,9]"), 1, NULL), 0);          /* under no host */
    assert_int_equal(settled(CLEAN("1.0", "[0,1]"), 1, "h1"), 0);          /* should leave */
    assert_int_equal(settled(CLEAN("1.0", "[0,1]"), 1, "h3"), 1);
    assert_int_equal(settled(CLEAN("2.0", "[0,1]"), 1, NULL), 0); /* of no pool */
    assert_int_equal(settled(GROUP("1.0", "active+clean", "[0,3]", "[0,1]"), 1, NULL), 0);
    assert_int_equal(settled(GROUP("1.0", "active+undersized", "[0,1]", "[0,1]"), 1, NULL), 0);
    assert_int_equal(settled(GROUP("1.0", "stale+active+clean", "[0,1]", "[0,1]"), 1, NULL), 0);
}

static void groups_of_an_older_number_are_not_the_whole_truth(void **state)
{
    (void)state;
    assert_int_equal(settled(CLEAN("1.0", "[0,1]") "," CLEAN("1.1", "[0,1]"), 1, NULL), 0);
}

static void what_is_behind_is_told_in_percent(void **state)
{
    AUTO(drop_json)
    json_t *answer = answer_of(
        "{'pgmap':{'num_pgs':4,'pgs_by_state':[{'state_name':'active+clean','count':2},"
        "{'state_name':'active+undersized+degraded','count':1},{'state_name':'peering','count':1}],"
        "'degraded_objects':5,'degraded_ratio':0.25,'misplaced_objects':3,'misplaced_ratio':0.5,"
        "'bytes_total':10,'bytes_used':4,'data_bytes':2},"
        "'mgrmap':{'available':true,'num_standbys':2}}");
    struct ceph_status status;
    struct err err = {0};

    (void)state;
    assert_true(ceph_status_read(answer, &status, &err));
    assert_int_equal(status.groups, 4);
    assert_int_equal(status.clean, 2);
    assert_int_equal(status.active, 3);
    assert_int_equal(status.behind, 8);
    assert_int_equal(status.managers, 3);
    assert_true(status.degraded > 24.9 && status.degraded < 25.1);
    assert_true(status.misplaced > 49.9 && status.misplaced < 50.1);
}

static void answers_of_another_shape_are_refused(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "[{}]",
        "{'nodes':[]}",
        "{'nodes':[{'type':'osd','id':-4}],'stray':[]}",
        "{'nodes':[{'type':'osd','id':99999999999}],'stray':[]}",
        "{'nodes':[{'type':'host'}],'stray':[]}",
        "{'quorum_names':[],'monmap':{'mons':[{}]}}",
        "{'quorum_names':{},'monmap':{'mons':[]}}",
        "[" POOL(0, "ds1", 2, 1, 4) "]",
        "[" POOL(1, "ds1", 0, 1, 4) "]",
        "[" POOL(1, "ds1", 2, 1, 0) "]",
        "{'pgmap':{'num_pgs':-1}}",
        "{'pg_stats':{}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(drop_json) json_t *answer = answer_of(texts[i]);
        AUTO(drop_tree) struct ceph_tree tree = {.disks = NULL};
        struct ceph_monitors monitors;
        struct ceph_pools pools = {.count = 0};
        struct ceph_status status;
        struct ceph_groups groups;
        const struct ceph_wish wish = {-1, -1};
        struct err err = {0};

        assert_false(ceph_monitors_read(answer, &monitors, &err));
        assert_false(ceph_tree_read(answer, &tree, &err));
        assert_false(ceph_status_read(answer, &status, &err));
        assert_false(ceph_groups_read(answer, &pools, &tree, &wish, &groups, &err));
        assert_true(json_array_size(answer) == 0 || !ceph_pools_read(answer, &pools, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monitors_have_names_addresses_and_a_quorum),
        cmocka_unit_test(a_disk_has_an_address_also_when_it_is_down),
        cmocka_unit_test(a_monitor_is_spared_only_where_a_majority_stays),
        cmocka_unit_test(disks_are_counted_with_their_hosts),
        cmocka_unit_test(pools_are_read),
        cmocka_unit_test(a_group_is_settled_when_each_copy_has_its_place),
        cmocka_unit_test(groups_of_an_older_number_are_not_the_whole_truth),
        cmocka_unit_test(what_is_behind_is_told_in_percent),
        cmocka_unit_test(answers_of_another_shape_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
