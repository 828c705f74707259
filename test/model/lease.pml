/*
 * The lease protocol for one account in one window, as host/quota/holding.ts keeps it, explored in
 * every order of events: a ledger, two holders and a network that loses, doubles, delays and
 * reorders. It says what may happen, never when: leases, use-by and sizes of grants are left open,
 * so what holds here holds for every choice of them.
 *
 * Checked: the units admitted are never more than the quota (B1), and at the ledger
 * folded + sum of (granted - released) is never more than the quota.
 *
 * Switches, each of which takes one rule away and must make the check fail:
 *   RECLAIM      a fold gives back what was not reported as used, on a timer
 *   AMNESIA      a holding whose counters were dropped goes on under the same generation
 *   TWO_ROOTS    two root contexts keep counters of their own under one identity
 *   TWO_LEDGERS  two hosts grant the same quota, each from a file of its own
 *   COST         grants do not heed what the first waiting request needs (see CALM)
 *
 * With CALM nothing goes wrong, grants follow the rule of sizing, and the check is one of progress:
 * while a request could be served, one is served in the end. COST implies CALM.
 *
 * Bounds: HOLDINGS identities (what exceeds HOLDERS comes fresh after a loss of counters), MESSAGES
 * reports under way at once, and FORGET, which adds that the ledger drops the counters of a holder
 * long silent. Each bound by itself multiplies the states, so they are raised one at a time.
 */

#ifdef COST
#define CALM
#endif

#ifndef QUOTA
#define QUOTA 2
#endif
#ifndef GIVE_BACKS
#define GIVE_BACKS 1   /* units that a holding gives back at most */
#endif
#define HOLDERS 2
#define NOBODY 255

#ifdef CALM
#define HOLDINGS HOLDERS
#define REQUEST_COST 2
#else
#define REQUEST_COST 1
#endif
#ifndef HOLDINGS
#define HOLDINGS 3
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif

#ifdef TWO_LEDGERS
#define LEDGERS 2
#else
#define LEDGERS 1
#endif
/* The ledger that a holding is kept by. */
#define LEDGER_OF(holding) ((holding) % LEDGERS)

/* A row of the ledger: open, folded, or (neither) not there. The counters only grow. */
typedef Row {
  byte granted;
#ifdef RECLAIM
  byte used;       /* a sound ledger never decides by what it was told of use */
#endif
  byte released;
  bool open;
  bool folded
};

/* A report under way: what the holder knew when it was sent. NOBODY's is none. */
typedef Report {
  byte holding;
#ifdef RECLAIM
  byte used;
#endif
#ifdef CALM
  byte need;
#endif
  byte released;
  byte seen
};

Row row[HOLDINGS];
byte spent[LEDGERS];   /* units of folded holdings */
Report network[MESSAGES];

/* The last reply under way to each holding that somebody still holds. Replies only name a G that
 * grows, and holders take the maximum, so an older reply that comes later is one that was lost. */
byte reply[HOLDINGS];
bool held[HOLDINGS];

byte fresh = HOLDERS;  /* the next identity that nobody has had */
byte admitted = 0;     /* units really admitted, in the whole fleet */

/* Scratch of atomic steps; not part of the state. */
hidden byte who;       /* the holding in hand */
hidden byte k;
hidden byte sharers;   /* open holdings */
hidden byte units;
hidden short outside;  /* sum of granted - released over the open holdings */
hidden short spare;    /* units granted to nobody */
hidden short before;
hidden short excess;

#define ROW row[who]
#define OUT(holding) (row[holding].granted - row[holding].released)
#define SPENT spent[LEDGER_OF(who)]

/* Sums up the ledger that keeps the holding in hand. */
inline addUp() {
  outside = 0;
  sharers = 0;
  k = 0;
  do
  :: k < HOLDINGS ->
     if
     :: row[k].open && LEDGER_OF(k) == LEDGER_OF(who) ->
        outside = outside + OUT(k);
        sharers++
     :: else
     fi;
     k++
  :: else -> break
  od;
  spare = QUOTA - SPENT - outside
}

inline raise(counter, value) {
  if
  :: value > counter -> counter = value
  :: else
  fi
}

/* Counts a row's units as spent; its counters wait as a tombstone. */
inline fold() {
#ifdef RECLAIM
  ROW.released = ROW.granted - ROW.used;
#endif
  ROW.open = false;
  ROW.folded = true;
  SPENT = SPENT + OUT(who)
}

/* Drops a tombstone; what was spent stays spent. */
inline forget() {
  ROW.folded = false;
  ROW.granted = 0;
  ROW.released = 0
}

/* Takes the counters of message m: true-up, the maximum of each, and belief in units that the
 * ledger knows nothing of, up to what is spare. */
inline learn() {
  if
  :: ROW.folded ->
     ROW.folded = false;
     SPENT = SPENT - OUT(who)
  :: else
  fi;
  ROW.open = true;
  addUp();
  before = OUT(who);
#ifdef RECLAIM
  raise(ROW.used, network[m].used);
#endif
  raise(ROW.released, network[m].released);
  if
  :: network[m].seen > ROW.granted ->
     excess = network[m].seen - ROW.released - before - (spare > 0 -> spare : 0);
     ROW.granted = network[m].seen - (excess > 0 -> excess : 0)
  :: else
  fi;
  addUp()
}

/* Chooses how much a holding gets that has seen all it was granted. Any number is safe. */
inline chooseUnits() {
  units = 0;
#ifdef CALM
  /* As in host/quota/grant.ts: half an equal share, but what is needed; nothing rather than less. */
  units = spare / (2 * sharers);
#ifdef COST
  raise(units, 1);
  units = (units > spare -> spare : units);
#else
  raise(units, network[m].need);
  units = (units > spare -> 0 : units);
#endif
  units = (units > REQUEST_COST -> REQUEST_COST : units)
#else
  do
  :: units < spare && ROW.granted + units < QUOTA + GIVE_BACKS -> units++
  :: break
  od
#endif
}

/* The ledger takes message m and answers; the answer may be lost. */
inline merge() {
  who = network[m].holding;
  learn();
  if
  :: network[m].seen >= ROW.granted && spare > 0 ->
     chooseUnits();
     ROW.granted = ROW.granted + units
  :: else
  fi;
  addUp();
  assert(spare >= 0);
  if
  :: held[who] -> reply[who] = ROW.granted
#ifndef CALM
  :: true
#endif
  fi
}

inline clear(slot) {
  network[slot].holding = NOBODY;
#ifdef RECLAIM
  network[slot].used = 0;
#endif
#ifdef CALM
  network[slot].need = 0;
#endif
  network[slot].released = 0;
  network[slot].seen = 0
}

/* Takes any holding in hand. */
inline pick() {
  who = 0;
  do
  :: who + 1 < HOLDINGS -> who++
  :: break
  od
}

proctype Host() {
  byte m = 0;
end:
  do
  :: atomic {
       if
       :: network[0].holding != NOBODY -> m = 0
#if MESSAGES > 1
       :: network[1].holding != NOBODY -> m = 1
#endif
       fi;
       if
       :: merge(); clear(m)
#ifndef CALM
       :: merge()             /* a copy stays under way */
       :: clear(m)            /* lost */
#endif
       fi;
       m = 0
     }
#ifndef CALM
  :: atomic {                 /* a holder is silent for its lease */
       pick();
       if
       :: ROW.open -> fold()
       :: else
       fi
     }
#endif
#ifdef FORGET
  :: atomic {                 /* and for long after */
       pick();
       if
       :: ROW.folded -> forget()
       :: else
       fi
     }
#endif
  od
}

#if MESSAGES > 1
#define ROOM (network[0].holding == NOBODY || network[1].holding == NOBODY)
#define IS_ASKING (network[0].holding == me || network[1].holding == me)
#else
#define ROOM (network[0].holding == NOBODY)
#define IS_ASKING (network[0].holding == me)
#endif
#define BALANCE (granted - used - released)

/* Puts a report under way, in room that there is. It always asks: a grant of 0 is a plain answer. */
inline send() {
  k = (network[0].holding == NOBODY -> 0 : MESSAGES - 1);
  network[k].holding = me;
#ifdef RECLAIM
  network[k].used = used;
#endif
#ifdef CALM
  network[k].need = REQUEST_COST - BALANCE;
#endif
  network[k].released = released;
  network[k].seen = granted
}

/* A slot of a holder. It lives as long as the window does, under one identity after another. */
proctype Holder(byte me) {
  byte granted = 0;
  byte used = 0;
  byte released = 0;
end:
  do
  :: BALANCE >= REQUEST_COST ->
     /* Only this holder lowers its balance, so the step in between changes nothing. */
progress:
     atomic {                 /* admit a request */
       used = used + REQUEST_COST;
       admitted = admitted + REQUEST_COST;
       assert(admitted <= QUOTA)
     }
  :: atomic {                 /* take a reply */
       reply[me] > granted -> granted = reply[me]
     }
#ifdef CALM
  :: atomic {                 /* ask again once answered, while a request could be served */
       ROOM && !IS_ASKING && reply[me] <= granted &&
       BALANCE < REQUEST_COST && admitted + REQUEST_COST <= QUOTA -> send()
     }
#else
  :: atomic { ROOM -> send() }
  :: atomic {                 /* give a unit back: deducted first, told by any later report */
       BALANCE > 0 && released < GIVE_BACKS -> released++
     }
  :: atomic {                 /* the slot, or the whole holder, loses its counters */
#ifdef AMNESIA
       granted > 0 ->
#else
       fresh < HOLDINGS ->
       held[me] = false;
       reply[me] = 0;
       me = fresh;
       held[me] = true;
       fresh++;
#endif
       granted = 0;
       used = 0;
       released = 0
     }
#endif
  od
}

init {
  atomic {
    k = 0;
    do
    :: k < MESSAGES -> clear(k); k++
    :: else -> break
    od;
    held[0] = true;
    run Host();
    run Holder(0);
#ifdef TWO_ROOTS
    run Holder(0)
#else
    held[1] = true;
    run Holder(1)
#endif
  }
}
