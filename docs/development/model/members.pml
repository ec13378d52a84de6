/* The change of members (docs/development/members.md) for spin: rollouts and changes that exclude one another.
 *
 * Old members 0, 1, 2; 3 may join. Four things may be voted on, by whoever has a part in them:
 *   R  a rollout under the old inventory: 0, 1, 2
 *   X  a change to {0, 1, 3}, member 2 named as gone: 0, 1, 3 vote
 *   Y  another change from the same inventory, to {1, 2, 3}, member 0 named as gone: 1, 2, 3 vote
 *   S  a rollout under what X makes: 0, 1, 3
 * Each is decided by ballots: 0 is the coordinator's, 1 that of whoever recovers. A quorum of a change is more than half
 * of {0, 1, 2} and more than half of the members after it. Who is named as gone is not dead: it goes on, and only
 * hears nothing of what it has no part in. Messages stay for good, and may be heard late or never.
 *
 * Checked: agreement on each; X and Y are not both committed; nothing is committed under an inventory once another was
 * committed in its place; who acts on a commit goes by the inventory that it was under.
 *
 * BUG1 .. BUG6 are six faults, one at a time: each must be found.
 */
#define N 4
#define R 0
#define X 1
#define Y 2
#define S 3
#define KINDS 4

#define NONE 0
#define COMMIT 1
#define ABORT 2

/* Bits: members 0 to 3. */
#define OLD 7
#define NEWX 11
#define NEWY 14
#ifdef BUG1   /* more than half may be named as gone: X is voted on by 0 and 3, Y by 1 and 2 */
#define VOTERS(i) (i == R -> 7 : (i == Y -> 6 : (i == X -> 9 : 11)))
#else
#define VOTERS(i) (i == R -> 7 : (i == Y -> 14 : 11))
#endif
#define HAS(set, m) ((set >> (m)) & 1)
#define COUNT(set) (((set) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1) + (((set) >> 3) & 1))

#ifdef BUG1
#define QUORUM(i, set) (COUNT((set) & VOTERS(i)) >= 2)
#else
#ifdef BUG2   /* ... by the old ones alone, as they are counted after those that are gone */
#define QUORUM(i, set) (i == R -> COUNT(set & OLD) >= 2 : (i == S -> COUNT(set & NEWX) >= 2 : COUNT(set & OLD) >= 1))
#else
#define QUORUM(i, set) (i == R -> COUNT(set & OLD) >= 2 : \
  (i == S -> COUNT(set & NEWX) >= 2 : \
  (i == X -> COUNT(set & OLD) >= 2 && COUNT(set & NEWX) >= 2 : COUNT(set & OLD) >= 2 && COUNT(set & NEWY) >= 2)))
#endif
#endif

#ifdef BUG3   /* a member in doubt of a rollout votes on a change */
#define IS_FREE (busy[me] == 0 || i == X || i == Y)
#else
#define IS_FREE (busy[me] == 0)
#endif
#ifdef BUG4   /* which inventory a member goes by does not matter */
#define GOES_BY true
#else
#define GOES_BY (i == S -> number[me] == 2 : (me == 3 -> number[me] == 0 : number[me] == 1))
#endif
#ifdef BUG6   /* a quorum of yeses is enough for commit */
#define ALL_YES QUORUM(i, voted[i])
#else
#define ALL_YES (voted[i] == VOTERS(i))
#endif

/* Members, durable. */
byte number[N];               /* the inventory that it goes by: 1 old, 2 X's, 3 Y's; 0 for who has none */
byte busy[N];                   /* 1 + what it has voted on and not learned; 0 for nothing */
byte voted[KINDS], fenced[KINDS];               /* bits of members */
byte promised[KINDS];                           /* bits: has promised ballot 1 */
byte accepted0[KINDS], accepted1[KINDS];        /* bits: has accepted at that ballot */
/* Messages. */
bool proposed0[KINDS];
byte proposal1[KINDS];
bool hasLost;
byte chosen[KINDS];

inline decide(i, d) {
  assert(chosen[i] == NONE || chosen[i] == d);
  if
  :: chosen[i] == NONE && d == COMMIT ->
     assert(!(i == R && (chosen[X] == COMMIT || chosen[Y] == COMMIT)));
     assert(!(i == X && chosen[Y] == COMMIT));
     assert(!(i == Y && chosen[X] == COMMIT));
     assert(!(i == S && chosen[Y] == COMMIT))
  :: else
  fi;
  chosen[i] = d
}

active [N] proctype Member() {
  byte me = _pid;
  byte i, heard, m;
  number[me] = (me == 3 -> 0 : 1);
end:
  do
  /* The vote: in nothing else, and by the inventory that it is under. */
  :: atomic {
       select(i : R .. S);
       if
       :: IS_FREE && GOES_BY && HAS(VOTERS(i), me) && !HAS(voted[i], me) && !HAS(fenced[i], me) ->
          voted[i] = voted[i] | (1 << me); busy[me] = i + 1
       :: HAS(VOTERS(i), me) && !HAS(voted[i], me) -> fenced[i] = fenced[i] | (1 << me)
       :: else
       fi;
       i = 0
     }
  /* The coordinator of any: commit after every yes. */
  :: atomic {
       select(i : R .. S);
       if
       :: ALL_YES && !proposed0[i] -> proposed0[i] = true
       :: QUORUM(i, accepted0[i]) -> decide(i, COMMIT)
       :: !proposed0[i] && fenced[i] != 0 -> decide(i, ABORT)
       :: else
       fi;
       i = 0
     }
  /* accept(0, commit), promise(1), accept(1, value) */
  :: atomic {
       select(i : R .. S);
       if
       :: busy[me] == i + 1 && proposed0[i] && !HAS(promised[i], me) ->
          accepted0[i] = accepted0[i] | (1 << me)
       :: busy[me] == i + 1 -> promised[i] = promised[i] | (1 << me)
       :: busy[me] == i + 1 && proposal1[i] != NONE ->
          promised[i] = promised[i] | (1 << me); accepted1[i] = accepted1[i] | (1 << me)
       :: else
       fi;
       i = 0
     }
  /* Recovery, by a member in doubt. Promises may be asked for at any time. */
  :: atomic {
       busy[me] != 0 ->
       i = busy[me] - 1;
       heard = 0;
       for (m : 0 .. N - 1) {
         if
         :: HAS(promised[i], m) -> heard = heard | (1 << m)
         :: true
         fi
       }
       if
       :: proposal1[i] == NONE && QUORUM(i, heard) ->
          proposal1[i] = ((accepted0[i] & heard) != 0 -> COMMIT : ABORT)
       /* who never voted and never will has accepted nothing */
       :: proposal1[i] == NONE && fenced[i] != 0 && !proposed0[i] && QUORUM(i, (heard | fenced[i])) ->
          proposal1[i] = ABORT
       :: else
       fi;
       i = 0; heard = 0; m = 0
     }
  :: atomic {
       select(i : R .. S);
       if
       :: proposal1[i] == COMMIT && QUORUM(i, accepted1[i]) -> decide(i, COMMIT)
       :: proposal1[i] == ABORT && QUORUM(i, (accepted1[i] | fenced[i])) -> decide(i, ABORT)
       :: else
       fi;
       i = 0
     }
  /* What was decided is heard. */
  :: atomic {
       busy[me] != 0 && chosen[busy[me] - 1] != NONE ->
       i = busy[me] - 1;
       busy[me] = 0;
       if
       :: chosen[i] == COMMIT && i == X -> number[me] = 2
       :: chosen[i] == COMMIT && i == Y -> number[me] = 3
       :: chosen[i] == COMMIT && (i == R || i == S) ->
          assert(i == S -> number[me] == 2 : number[me] == 1)
       :: else
       fi;
       i = 0
     }
#ifdef BUG5   /* member 1 loses its memory once, and votes as if it had never voted */
  :: atomic {
       me == 1 && !hasLost ->
       hasLost = true; busy[1] = 0; number[1] = 1;
       for (i : R .. S) {
         voted[i] = voted[i] & 13; fenced[i] = fenced[i] & 13; promised[i] = promised[i] & 13;
         accepted0[i] = accepted0[i] & 13; accepted1[i] = accepted1[i] & 13
       };
       i = 0
     }
#else
  /* Who was left out takes what its own members go by. */
  :: atomic { number[me] == 1 && busy[me] == 0 && chosen[X] == COMMIT && number[0] == 2 && number[1] == 2 -> number[me] = 2 }
  :: atomic { number[me] == 1 && busy[me] == 0 && chosen[Y] == COMMIT && number[1] == 3 && number[2] == 3 -> number[me] = 3 }
#endif
  od
}
