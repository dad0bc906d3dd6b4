/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lease, fence and takeover of one VM, as src/agent/lease.h and src/agent/takeover.h do it. What is
 * to be shown: once a disk has taken a write of one host, no disk takes any more of what another host's
 * hypervisor wrote that ran before. So at no time do two of them write.
 *
 * Left to chance, so all of it happens at every moment in some run:
 *   - a lease runs out whenever it likes: clocks that jump are in this, the datastore's as the holder's
 *   - a process stands still for as long as it likes between any two steps: that is a frozen host,
 *     and also one that is slow, cut off, or killed and not started again
 *   - writes that a host sent lie in the network for as long as they like, also when who sent them
 *     is dead
 *   - a disk's daemon learns of a newer map whenever it likes
 *
 * Each of these leaves one thing out, and must then find two writers (tests/model/check):
 *   NO_FENCE     the VM is started as soon as the lease is ours
 *   NO_BARRIER   …as soon as the monitors have the fence, whatever the disks know
 *   NO_RECORD    whom the last holder had not fenced yet is forgotten
 *   LIFT_FIRST   a fenced host lifts its fence before it looks what runs
 *   NO_SILENCE   …while writes of its dead hypervisor are still on their way
 * With MOVE a VM also moves from one host to the other while it runs (src/agent/move.h), and each of
 * these must find two writers:
 *   RUNS_AT_ONCE what came runs as soon as it is there, while the one that sent it may go on
 *   GIVE_EARLY   the lease is given while the VM may still go on here
 *   KEEP_OPEN    what comes may come while its host takes over
 *   NO_DISCARD   a host that takes over lets go on what came in an earlier try
 * NO_LEASE leaves the lease itself out, and must find none: a lease says whose turn it is, and spares a
 * living holder; what is safe is safe by the fence. And REACH says that nobody ever takes over from a
 * fenced host, which must be found wrong. Two hosts are searched whole; three have too many states, and
 * are asked for what NO_RECORD breaks alone.
 */
#ifndef HOSTS
#define HOSTS 2
#endif
#ifndef DISKS
#define DISKS 1
#endif
#define NOBODY HOSTS
#define AT(host, disk) ((host) * DISKS + (disk))

byte lease = NOBODY;  /* who has the lock, by the datastore's word */
byte holder = NOBODY; /* who has the lease, by the record */
bool unfenced[HOSTS]; /* by the record: to be fenced before anybody starts the VM */
bool newest[HOSTS];   /* the host knows the newest version of the record: only then it can write it */

bool listed[HOSTS];          /* on the blocklist, as the monitors have it */
bool refuses[HOSTS * DISKS]; /* as the disk has it */

#ifdef MOVE
byte copy[HOSTS];   /* what came from another host and stands still: NONE, FRESH, or OLD as below */
bool door[HOSTS];   /* it is open for what comes */
bool stands[HOSTS]; /* the hypervisor's guest stands still: its last memory goes over */
#endif

bool runs[HOSTS]; /* there is a hypervisor with the VM */
bool old[HOSTS];  /* …and a write of another was taken since it was started */

#define NONE  0
#define FRESH 1
#define OLD   2 /* of a hypervisor that is old */
byte sent[HOSTS * DISKS]; /* a write on its way */

/* The lease runs out. */
active proctype Time()
{
#ifndef NO_LEASE
    do
    :: lease != NOBODY -> lease = NOBODY
    od
#else
    skip
#endif
}

inline outdate(who)
{
    old[who] = runs[who];
#ifdef MOVE
    copy[who] = (copy[who] == NONE -> NONE : OLD);
#endif
    at = 0;
    do
    :: at < DISKS -> sent[AT(who, at)] = (sent[AT(who, at)] == NONE -> NONE : OLD); at++
    :: else -> break
    od;
    at = 0
}

/* The newest map comes to a disk; it holds for everything that it takes from then on. */
active [DISKS] proctype Disk()
{
    byte disk = _pid - 1; /* after Time */
    byte host, other, at;

    do
    :: atomic {
           host = 0;
           do
           :: host < HOSTS -> refuses[AT(host, disk)] = listed[host]; host++
           :: else -> break
           od;
           host = 0
       }
    :: atomic {
           select (host : 0 .. HOSTS - 1);
           sent[AT(host, disk)] != NONE ->
           if
           :: refuses[AT(host, disk)]
           :: else ->
               assert(sent[AT(host, disk)] == FRESH);
               other = 0;
               do
               :: other < HOSTS && other != host -> outdate(other); other++
               :: other < HOSTS && other == host -> other++
               :: else -> break
               od;
               other = 0
           fi;
           sent[AT(host, disk)] = NONE;
           host = 0
       }
    od
}

/* The guest writes as long as its hypervisor lives. */
proctype Guest(byte host)
{
    byte disk;

    do
    :: atomic {
#ifdef MOVE
           runs[host] && !stands[host] -> select (disk : 0 .. DISKS - 1);
#else
           runs[host] -> select (disk : 0 .. DISKS - 1);
#endif
           sent[AT(host, disk)] = (old[host] -> OLD : FRESH);
           disk = 0
       }
    od
}

inline silence(me)
{
    atomic {
        i = 0;
        do
        :: i < DISKS -> sent[AT(me, i)] == NONE; i++
        :: else -> break
        od;
        i = 0
    }
}

/* Every disk has the map with the fence of `who`: an operation of that epoch was answered. */
inline barrier(who)
{
    atomic {
        i = 0;
        do
        :: i < DISKS -> refuses[AT(who, i)]; i++
        :: else -> break
        od;
        i = 0
    }
}

/* The record is written over the version that was read; then nobody else knows the newest. */
inline wrote(me)
{
    i = 0;
    do
    :: i < HOSTS -> newest[i] = (i == me); i++
    :: else -> break
    od;
    i = 0
}

/* The lock, then the record: who reads it, freezes, and is overtaken, does not write it. */
inline take(me)
{
#ifndef NO_LEASE
    atomic { lease == NOBODY || lease == me -> lease = me };
#endif
    newest[me] = true;
    atomic {
        if
        :: newest[me] ->
            if
            :: holder != NOBODY && holder != me -> unfenced[holder] = true
            :: else
            fi;
#ifdef NO_RECORD
            i = 0;
            do
            :: i < HOSTS -> unfenced[i] = unfenced[i] && i == holder; i++
            :: else -> break
            od;
#endif
            unfenced[me] = false;
            holder = me;
            wrote(me)
        :: else
        fi
    }
}

/* Ends with nobody left to be fenced, or with the record written by another. */
inline fence(me)
{
    who = 0;
    do
    :: who == HOSTS || !newest[me] -> break
    :: who < HOSTS && !unfenced[who] -> who++
    :: who < HOSTS && unfenced[who] ->
        listed[who] = true;
#ifndef NO_BARRIER
        barrier(who);
#endif
        atomic {
            if
            :: newest[me] -> unfenced[who] = false; wrote(me)
            :: else
            fi
        };
        who++
    od;
    who = 0
}

inline start(me)
{
    atomic {
#ifdef REACH
        assert(!listed[1 - me]);
#endif
        runs[me] = true;
        old[me] = false;
#ifdef MOVE
        stands[me] = false;
#ifdef NO_DISCARD
        old[me] = (copy[me] == OLD);
#endif
        copy[me] = NONE
#endif
    }
}

inline destroy(me)
{
    atomic {
        runs[me] = false;
        old[me] = false;
#ifdef MOVE
        stands[me] = false
#endif
    }
}

#ifdef MOVE
/* The record says whose turn it is, over the version that this host wrote last. */
inline give(me)
{
    atomic {
        if
        :: newest[me] -> holder = 1 - me; wrote(me)
        :: else
        fi
    };
    lease = (lease == me -> NOBODY : lease)
}

/* The guest stands still, all that it wrote is on the disks, its memory is there. Then it is gone
 * here, or libvirt lets it go on, whatever is there by now. */
inline send(me)
{
    stands[me] = true;
    silence(me);
    atomic {
        if
        :: door[1 - me] && !runs[1 - me] ->
#ifdef RUNS_AT_ONCE
            runs[1 - me] = true; old[1 - me] = false;
#else
            copy[1 - me] = FRESH;
#endif
            came = true
        :: else -> came = false
        fi
    };
#ifdef GIVE_EARLY
    give(me);
#endif
    if
    :: stands[me] = false /* not sent, or nobody knows: it goes on */
    :: came -> /* sent, and gone here */
        destroy(me);
        if
        :: give(me)
        :: true /* the agent died before it had noted that */
        fi
    fi
}

/* It was given: what came goes on. */
inline receive(me)
{
#ifndef NO_LEASE
    atomic { lease == NOBODY || lease == me -> lease = me };
#endif
    newest[me] = true;
    atomic {
        if
        :: newest[me] && holder == me -> unfenced[me] = false; wrote(me)
        :: else -> newest[me] = false
        fi
    };
    fence(me);
    atomic {
        if
        :: newest[me] && copy[me] != NONE ->
            runs[me] = true;
            old[me] = (copy[me] == OLD);
            copy[me] = NONE
        :: else
        fi
    };
    door[me] = false
}
#endif

/* Found on the blocklist. */
inline heal(me)
{
#ifdef LIFT_FIRST
    listed[me] = false;
    destroy(me)
#else
    destroy(me);
#ifdef MOVE
    door[me] = false;
    copy[me] = NONE;
#endif
#ifndef NO_SILENCE
    silence(me);
#endif
    listed[me] = false
#endif
}

proctype Host(byte me)
{
    byte who, i;
    bool came;

    do
    :: !runs[me] && !listed[me] ->
#ifdef MOVE
#ifndef KEEP_OPEN
        door[me] = false;
#endif
#ifndef NO_DISCARD
        copy[me] = NONE;
#endif
#endif
        take(me);
#ifndef NO_FENCE
        fence(me);
#endif
        if
        :: newest[me] -> start(me) /* and it may have frozen right before */
        :: true                    /* the agent died here */
        fi
#ifdef MOVE
    :: !runs[me] && !listed[me] && holder != me -> copy[me] = NONE; door[me] = true /* expected */
    :: door[me] -> door[me] = false /* declined, or the agent died */
    :: runs[me] && newest[me] -> send(me)
    :: !runs[me] && !listed[me] && copy[me] != NONE && holder == me -> receive(me)
#endif
    :: runs[me] -> destroy(me) /* the guard: by its clock the lease runs out */
    :: runs[me] && newest[me] ->
        /* The guest shuts down: its writes are answered, then we let go. */
        destroy(me);
        silence(me);
        atomic {
            if
            :: newest[me] -> holder = NOBODY; wrote(me)
            :: else
            fi
        }
    :: listed[me] -> heal(me)
    od
}

init {
    byte host;

    atomic {
        do
        :: host < HOSTS -> run Host(host); run Guest(host); host++
        :: else -> break
        od
    }
}
