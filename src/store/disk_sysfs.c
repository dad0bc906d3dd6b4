/* SPDX-License-Identifier: Apache-2.0 */
#include "store/disk_sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define BY_ID "/dev/disk/by-id"
/* A disk, its partitions, what stands on these, and so on: deeper stacks are treated as in use. */
#define MAX_DEPTH 8
/* mountinfo of a host with thousands of containers. */
#define MAX_PROC (8u << 20)

DROP(dir, DIR *, closedir);

/* One line of sysfs without its newline and blanks around it; "" when there is none. */
static void attribute(const char *folder, const char *name, char *out, size_t room)
{
    AUTO(drop_free) char *path = text_make("%s/%s", folder, name);
    AUTO(drop_file) FILE *file = fopen(path, "re");
    char line[DISK_TEXT] = "";

    if (!file || !fgets(line, sizeof(line), file)) {
        line[0] = '\0';
    }
    char *from = line + strspn(line, " \t");
    size_t length = strlen(from);

    while (length > 0 && strchr(" \t\n", from[length - 1])) {
        length--;
    }
    (void)snprintf(out, room, "%.*s", (int)length, from);
}

static uint64_t number_attribute(const char *folder, const char *name)
{
    char text[32];

    attribute(folder, name, text, sizeof(text));
    return strtoull(text, NULL, 10);
}

static dev_t device_of(const char *folder)
{
    char text[32];
    unsigned major_number = 0, minor_number = 0;

    attribute(folder, "dev", text, sizeof(text));
    return sscanf(text, "%u:%u", &major_number, &minor_number) == 2
               ? makedev(major_number, minor_number)
               : 0;
}

static const char *plain_wwn(const char *wwn)
{
    static const char *const starts[] = {"wwn-", "nvme-", "naa.", "0x"};

    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        wwn += text_starts(wwn, starts[i]) ? strlen(starts[i]) : 0;
    }
    return wwn;
}

bool disk_wwn_same(const char *a, const char *b)
{
    a = plain_wwn(a);
    b = plain_wwn(b);
    return a[0] && strcasecmp(a, b) == 0;
}

bool disk_link_has_serial(const char *link, const char *serial)
{
    size_t length = strlen(link), tail = strlen(serial);

    return tail > 0 && length > tail && strcmp(link + length - tail, serial) == 0 &&
           strchr("-_", link[length - tail - 1]) != NULL;
}

static bool is_partition_link(const char *name)
{
    const char *part = strstr(name, "-part");

    return part && part[5] && part[5 + strspn(part + 5, "0123456789")] == '\0';
}

/* Links of udev's that say how a disk is used now, not which disk it is. */
static bool is_passing_link(const char *name)
{
    static const char *const starts[] = {"dm-", "md-", "lvm-", "usb-"};

    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        if (text_starts(name, starts[i])) {
            return true;
        }
    }
    return is_partition_link(name);
}

dev_t disk_sysfs_link(const char *folder, const char *name)
{
    AUTO(drop_free) char *path = text_make("/dev/disk/%s/%s", folder, name);
    struct stat st;

    return !strchr(name, '/') && stat(path, &st) == 0 && S_ISBLK(st.st_mode) ? st.st_rdev : 0;
}

/* The best of the links under by-id: wwn- first, then the first by name; "" when there is none. */
static void choose_link(dev_t number, char out[DISK_TEXT])
{
    AUTO(drop_dir) DIR *dir = opendir(BY_ID);
    const struct dirent *entry = NULL;
    char best[DISK_TEXT] = "";

    while (dir && (entry = readdir(dir))) {
        bool wwn = text_starts(entry->d_name, "wwn-");
        bool better = !best[0] || (wwn && !text_starts(best, "wwn-")) ||
                      (wwn == text_starts(best, "wwn-") && strcmp(entry->d_name, best) < 0);

        if (better && strlen(entry->d_name) < sizeof(best) - sizeof(BY_ID) &&
            !is_passing_link(entry->d_name) && disk_sysfs_link("by-id", entry->d_name) == number) {
            (void)snprintf(best, sizeof(best), "%s", entry->d_name);
        }
    }
    memcpy(out, best, sizeof(best));
}

static void name_disk(const char *folder, const char *link, struct disk *disk)
{
    char wwid[DISK_TEXT];

    attribute(folder, "device/wwid", wwid, sizeof(wwid));
    if (!wwid[0]) {
        attribute(folder, "wwid", wwid, sizeof(wwid));
    }
    if (text_starts(wwid, "naa.")) {
        (void)snprintf(disk->wwn, sizeof(disk->wwn), "0x%.250s", wwid + 4);
    } else if (text_starts(wwid, "eui.") || text_starts(wwid, "nvme.")) {
        (void)snprintf(disk->wwn, sizeof(disk->wwn), "%s", wwid);
    } else if (text_starts(link, "wwn-")) {
        (void)snprintf(disk->wwn, sizeof(disk->wwn), "%s", link + 4);
    }
    attribute(folder, "device/serial", disk->serial, sizeof(disk->serial));
    if (!disk->serial[0]) {
        attribute(folder, "serial", disk->serial, sizeof(disk->serial));
    }
    attribute(folder, "device/model", disk->model, sizeof(disk->model));
}

static void identify(const char *link, struct disk *disk)
{
    const char *const names[][2] = {
        {"wwn-", disk->wwn}, {"serial-", disk->serial}, {"id-", link}, {"path-", disk->node}};
    size_t i = 0;

    while (!names[i][1][0]) {
        i++;
    }
    (void)snprintf(disk->identity, sizeof(disk->identity), "%s%.240s", names[i][0], names[i][1]);
    (void)snprintf(disk->link, sizeof(disk->link), "%s%.230s", link[0] ? BY_ID "/" : "",
                   link[0] ? link : disk->node);
}

/* Calls `each` for the disk, its partitions and whatever stands on these. */
static bool stack_walk(const char *folder, int depth, bool (*each)(void *, dev_t), void *context)
{
    AUTO(drop_dir) DIR *dir = opendir(folder);
    const struct dirent *entry = NULL;

    if (depth > MAX_DEPTH || each(context, device_of(folder))) {
        return true;
    }
    while (dir && (entry = readdir(dir))) {
        AUTO(drop_free) char *sub = text_make("%s/%s", folder, entry->d_name);
        AUTO(drop_free) char *partition = text_make("%s/partition", sub);

        if (entry->d_name[0] != '.' && file_exists(partition) &&
            stack_walk(sub, depth + 1, each, context)) {
            return true;
        }
    }
    AUTO(drop_free) char *holders = text_make("%s/holders", folder);
    AUTO(drop_dir) DIR *held = opendir(holders);

    while (held && (entry = readdir(held))) {
        AUTO(drop_free) char *sub = text_make("%s/%s", holders, entry->d_name);

        if (entry->d_name[0] != '.' && stack_walk(sub, depth + 1, each, context)) {
            return true;
        }
    }
    return false;
}

/* True for what is a holder and not the disk or one of its partitions. */
static bool is_other_disk(void *context, dev_t number)
{
    const char *folder = context;
    char node[64], real[PATH_MAX];

    (void)snprintf(node, sizeof(node), "/sys/dev/block/%u:%u", major(number), minor(number));
    return !realpath(node, real) || !text_starts(real, folder);
}

struct in_use {
    const char *mounts, *swaps;
    bool mounted, root;
};

static bool swapped(const char *swaps, dev_t number)
{
    const char *line = swaps;

    while (line && *line) {
        char path[DISK_TEXT];
        struct stat st;

        if (sscanf(line, "%255s", path) == 1 && path[0] == '/' && stat(path, &st) == 0 &&
            S_ISBLK(st.st_mode) && st.st_rdev == number) {
            return true;
        }
        line = strchr(line, '\n');
        line += line != NULL;
    }
    return false;
}

/* A line: id parent major:minor root mount-point options [fields] - type source options (proc(5)).
 * btrfs and the like have a number of their own; for these the source tells. */
static bool mount_is_on(const char *line, dev_t number, bool *out_root)
{
    unsigned major_number = 0, minor_number = 0;
    char point[PATH_MAX], source[PATH_MAX];
    struct stat st;

    if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &major_number, &minor_number, point) != 3) {
        return false;
    }
    const char *dash = strstr(line, " - ");
    bool same = makedev(major_number, minor_number) == number ||
                (dash && sscanf(dash + 3, "%*s %4095s", source) == 1 && source[0] == '/' &&
                 stat(source, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == number);

    *out_root = same && strcmp(point, "/") == 0;
    return same;
}

static bool look_at_use(void *context, dev_t number)
{
    struct in_use *use = context;
    const char *line = use->mounts;

    while (line && *line) {
        AUTO(drop_free) char *one = strndup(line, strcspn(line, "\n"));
        bool root = false;

        if (one && mount_is_on(one, number, &root)) {
            use->mounted = true;
            use->root |= root;
        }
        line = strchr(line, '\n');
        line += line != NULL;
    }
    use->mounted |= swapped(use->swaps, number);
    return false;
}

static bool describe_use(const char *folder, struct disk *disk, struct err *err)
{
    AUTO(drop_free) char *mounts = NULL, *swaps = NULL, *real = NULL;
    struct in_use use = {0};
    struct err ignored = {0};

    if (!file_read("/proc/self/mountinfo", MAX_PROC, &mounts, NULL, err)) {
        return false;
    }
    (void)file_read("/proc/swaps", MAX_PROC, &swaps, NULL, &ignored);
    use.mounts = mounts;
    use.swaps = swaps;
    (void)stack_walk(folder, 0, look_at_use, &use);
    real = realpath(folder, NULL);
    disk->held = !real || stack_walk(folder, 0, is_other_disk, real);
    disk->mounted = use.mounted;
    disk->root = use.root;
    return true;
}

bool disk_sysfs_describe(dev_t number, struct disk *out, struct err *err)
{
    struct disk disk = {.number = number};
    char folder[64], link[DISK_TEXT], real[PATH_MAX];

    (void)snprintf(folder, sizeof(folder), "/sys/dev/block/%u:%u", major(number), minor(number));
    if (!realpath(folder, real)) {
        return err_set(err, ERR_ABSENT, "the kernel has no disk %u:%u", major(number),
                       minor(number));
    }
    AUTO(drop_free) char *partition = text_make("%s/partition", folder);

    (void)snprintf(disk.node, sizeof(disk.node), "/dev/%.200s", strrchr(real, '/') + 1);
    if (file_exists(partition)) {
        (void)err_set(err, ERR_INPUT, "%s is a partition, not a whole disk", disk.node);
        return err_mend(err, "Name the whole disk.");
    }
    choose_link(number, link);
    name_disk(folder, link, &disk);
    identify(link, &disk);
    disk.size = number_attribute(folder, "size") * 512;
    disk.block_size = (unsigned)number_attribute(folder, "queue/logical_block_size");
    disk.physical_size = (unsigned)number_attribute(folder, "queue/physical_block_size");
    disk.rotational = number_attribute(folder, "queue/rotational") != 0;
    disk.read_only = number_attribute(folder, "ro") != 0;
    disk.removable = number_attribute(folder, "removable") != 0;
    if (!describe_use(folder, &disk, err)) {
        return err_add(err, "look at %s", disk.node);
    }
    *out = disk;
    return true;
}

bool disk_sysfs_list(dev_t **out, size_t *out_count, struct err *err)
{
    AUTO(drop_dir) DIR *dir = opendir("/sys/block");
    AUTO(drop_free) dev_t *numbers = text_room(DISK_MAX, sizeof(*numbers));
    const struct dirent *entry = NULL;
    size_t count = 0;

    if (!dir) {
        return err_errno(err, errno, "read /sys/block");
    }
    while (count < DISK_MAX && (entry = readdir(dir))) {
        AUTO(drop_free) char *folder = text_make("/sys/block/%s", entry->d_name);

        if (entry->d_name[0] != '.' && number_attribute(folder, "size") > 0 &&
            (numbers[count] = device_of(folder)) != 0) {
            count++;
        }
    }
    *out = TAKE(numbers);
    *out_count = count;
    return true;
}
