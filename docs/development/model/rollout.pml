/* The agreement part of the rollout protocol (docs/development/protocol.md) for spin.
 *
 * N members vote, accept and learn; a coordinator proposes commit at ballot 0 and may die anywhere;
 * every member may take rounds of its own above it. Messages are lost by not being received: whoever
 * waits may always give up. A message stays in the network permanently and may be received again, so it
 * is late, repeated and out of order in every way. What a member has said is what it has on disk: a
 * crash forgets nothing that was said, and what was not said need not be modelled.
 *
 * Checked: agreement (no two learn different decisions) and validity (commit only after every yes;
 * who restarts has learned commit). That recovery ends is the simulator's to show.
 */
#ifndef N
#define N 3
#endif
#ifndef ROUNDS
#define ROUNDS 2               /* rounds of recovery that are tried together */
#endif
#define MAJORITY (N / 2 + 1)
#define BALLOTS (ROUNDS + 1)   /* ballot b belongs to the coordinator (0) or to member (b - 1) % N */

#define NONE 0
#define COMMIT 1
#define ABORT 2

/* Members, durable. */
bool voted[N], fenced[N];      /* said yes; can say yes no more */
byte promised[N];              /* the highest ballot */
byte accepted[N], acceptedAt[N];
byte learned[N];
bool restarted[N];

/* Messages, never removed. */
bool proposed[BALLOTS]; byte proposal[BALLOTS];
bool asked[BALLOTS];                       /* promise(b) was sent to all */
bool hasPromised[BALLOTS * N];             /* ... and answered, with what was accepted before */
byte promisedValue[BALLOTS * N], promisedAt[BALLOTS * N];
bool hasAccepted[BALLOTS * N];
byte yeses, acceptances[BALLOTS];
byte told;                                 /* bits: decisions that somebody tells */

byte chosen = NONE;

inline learn(m, d) {
  assert(learned[m] == NONE || learned[m] == d);
  assert(chosen == NONE || chosen == d);   /* agreement */
  learned[m] = d;
  chosen = d;
  told = told | d;
}

/* The coordinator. It dies by never moving again: nothing below forces it to. */
active proctype Coordinator() {
  if
  :: atomic { yeses == N -> proposed[0] = true; proposal[0] = COMMIT }   /* validity */
     if
     :: atomic {
          acceptances[0] >= MAJORITY ->
            assert(chosen != ABORT);
            chosen = COMMIT; told = told | COMMIT
        }
     :: skip
     fi
  :: atomic {                              /* a no, or silence: abort, as commit was not proposed */
       assert(chosen != COMMIT);
       chosen = ABORT; told = told | ABORT
     }
  :: skip
  fi
}

active [N] proctype Member() {
  byte me = _pid - 1;
  byte b, m, count, best, bestAt;
end:
  do
  /* The vote. */
  :: atomic { !voted[me] && !fenced[me] -> voted[me] = true; yeses++ }
  :: atomic { !voted[me] && !fenced[me] -> fenced[me] = true }

  /* promise(b) */
  :: atomic {
       learned[me] == NONE ->
       select(b : 1 .. BALLOTS - 1);
       if
       :: asked[b] && !hasPromised[b * N + me] && voted[me] && b > promised[me] ->
          promised[me] = b;
          hasPromised[b * N + me] = true;
          promisedValue[b * N + me] = accepted[me];
          promisedAt[b * N + me] = acceptedAt[me]
       :: asked[b] && !voted[me] && !fenced[me] -> fenced[me] = true
       :: else
       fi
     }

  /* accept(b, value) */
  :: atomic {
       learned[me] == NONE && voted[me] ->
       select(b : 0 .. BALLOTS - 1);
       if
       :: proposed[b] && !hasAccepted[b * N + me] && b >= promised[me] ->
          promised[me] = b; accepted[me] = proposal[b]; acceptedAt[me] = b;
          hasAccepted[b * N + me] = true; acceptances[b]++
       :: else
       fi
     }

  /* decided */
  :: atomic { voted[me] && learned[me] == NONE && (told & COMMIT) -> learn(me, COMMIT) }
  :: atomic { voted[me] && learned[me] == NONE && (told & ABORT) -> learn(me, ABORT) }
  :: atomic {
       learned[me] == COMMIT && !restarted[me] ->
       restarted[me] = true;
       for (m : 0 .. N - 1) { assert(voted[m]) }
     }

  /* Recovery: a ballot of one's own. */
  :: atomic {
       voted[me] && learned[me] == NONE ->
       select(b : 1 .. BALLOTS - 1);
       if
       :: (b - 1) % N == me && !asked[b] && b > promised[me] -> asked[b] = true
       :: else
       fi
     }
  /* ... somebody has not voted and never will, or knows the decision */
  :: atomic {
       voted[me] && learned[me] == NONE && me + 1 < BALLOTS && asked[me + 1] ->
       select(m : 0 .. N - 1);
       if
       :: fenced[m] -> learn(me, ABORT)
       :: !fenced[m] && learned[m] != NONE -> learn(me, learned[m])
       :: else
       fi
     }
  /* ... a majority has promised */
  :: atomic {
       voted[me] && learned[me] == NONE ->
       select(b : 1 .. BALLOTS - 1);
       count = 0; best = NONE; bestAt = 0;
       /* every majority, not only the largest: any subset may have been heard */
       for (m : 0 .. N - 1) {
         if
         :: hasPromised[b * N + m] ->
            count++;
            if
            :: promisedValue[b * N + m] != NONE && promisedAt[b * N + m] >= bestAt ->
               best = promisedValue[b * N + m]; bestAt = promisedAt[b * N + m]
            :: else
            fi
         :: true                             /* its answer was lost */
         fi
       }
       if
       :: (b - 1) % N == me && asked[b] && !proposed[b] && count >= MAJORITY ->
          proposed[b] = true;
          proposal[b] = (best == NONE -> ABORT : best)
       :: else
       fi;
       count = 0; best = NONE; bestAt = 0
     }
  /* ... a majority has accepted */
  :: atomic {
       voted[me] && learned[me] == NONE ->
       select(b : 1 .. BALLOTS - 1);
       if
       :: (b - 1) % N == me && proposed[b] && acceptances[b] >= MAJORITY -> learn(me, proposal[b])
       :: else
       fi
     }
  od
}
