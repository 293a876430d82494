/*
 * One entry between two workers, a sweep and people: what lifecycle, processing, settling, recovery and dispatch do.
 *
 * The row is the truth: its columns are globals, and whatever the code does in one statement or one transaction is one
 * atomic step here. Between two steps anybody else may go first, any number of times. Each verb of `lifecycle` is an
 * inline of that name, with the sources and the target that the table there gives it; a test compares the two.
 *
 * Time has no figures. The moment in a column is NOW, LATER or NEVER, and LATER may turn into NOW at any time, except
 * that a lease does not run out while its holder runs: that is what renewing it thrice in its span is for.
 *
 * Messages are two bits: one is on its way for this entry alone, one for this entry among others. A worker may leave the
 * message that it takes where it was, so that each may arrive any number of times.
 *
 * TROUBLES bounds, in any mix: what people do, messages that are lost, publishing that fails (the message may go out all
 * the same), workers that freeze, shutdowns, outages, and workers that give up settling. Nothing here bounds how often a
 * holder dies, nor how often the extractor fails: that is for the protocol to do.
 *
 * Each #ifdef breaks one thing, to prove that somebody notices.
 */

#ifndef TROUBLES
#define TROUBLES 1
#endif
#define MAX_ATTEMPTS 2
#define MAX_CRASHES 2

/* The row; DELETED says that there is none. */

mtype = { PENDING, CELERY_ERROR, PROCESSING, COMPLETED, SKIPPED, FAILED, DELETED };
mtype = { NOW, LATER, NEVER };

#define IDLE 2   /* the owner is a task that ended without settling, in a worker that goes on */
#define DEAD 3   /* the owner is a process that is gone */
#define NOBODY 4
#define UNREAD 2 /* the digest of a row from SQL, or after update() */

mtype state = DELETED;
mtype due = NEVER;
mtype gate = NOW;     /* processing_not_before */
byte token = 0;       /* 0 is none */
byte owner = NOBODY;  /* or the number of a worker */
byte digest = UNREAD;
byte attempts = 0;
byte crashes = 0;
bit solitary = 0;
bit text = 0;         /* there are two, so that one edit may undo another */
byte results[2];      /* rows of results of each text */
bit outdated = 0;     /* they are to be replaced */

/* The broker. */

bit told_alone = 0;
bit told_among = 0;

/* What is to come, and the worker that does nothing at present; two of them at once would only be slow. */

byte troubles = TROUBLES;
byte frozen = NOBODY;

/* What workers and sweep remember: the token under which a worker works, and the one that the sweep has read. */

byte mine[2];
byte seen = 0;

/* What an observer writes down; no step of the protocol asks for it. */

bit holds[2];         /* it claimed the entry, and nobody has ended that lease */
bit lapsed[2];        /* it was frozen meanwhile */
bit stale = 0;        /* somebody wrote whose lease another had ended */
bit robbed = 0;       /* a lease was taken away that its holder renewed */
bit unseen = 0;       /* the text of a finished entry changed so that nothing of ours could notice at once */
bit condemned = 0;    /* an entry was buried for crashes that are not its text's */

/* What a verb, and publishing, return. */

hidden byte moved;
hidden byte is_told;

/* What a process does next. */

mtype = { CLAIM, READ, SETTLE, LOOK, TAKE_BACK, PUT_BACK, OFFER, TELL, OWN_UP };

#define me _pid /* the workers are the first two processes, 0 and 1 */
#define WAITING (state == PENDING || state == CELERY_ERROR)
#define FINISHED (state == COMPLETED || state == SKIPPED || state == FAILED)
#define RENEWED (owner < 2 && frozen != owner)

/* Guards, and what becomes of them where they are taken out. */

#ifdef UNGUARDED_CLAIM
#define TAKEN_ALL_THE_SAME (state != DELETED && !FINISHED)
#else
#define TAKEN_ALL_THE_SAME (0)
#endif

#ifdef UNGATED_CLAIM
#define GATE_IS_OPEN (1)
#else
#define GATE_IS_OPEN (gate == NOW)
#endif

#ifdef NO_FENCE
#define FENCE (1)
#else
#define FENCE (token == mine[me])
#endif

#ifdef NO_DIGEST
#define IS_EDITED (0)
#else
#define IS_EDITED (text != read)
#endif

#ifdef NO_EXPIRY
#define IS_LOST (owner == DEAD)
#else
#define IS_LOST (owner == DEAD || due == NOW)
#endif

#ifdef UNGUARDED_RESCUE
#define IS_LOST_STILL (1)
#else
#define IS_LOST_STILL (token == seen && IS_LOST)
#endif

#ifdef STALE_VERDICT
#define IS_CONVICTED (1)
#else
#define IS_CONVICTED (crashes == known_crashes)
#endif

/* What several verbs have in common. */

inline unleased() { token = 0; owner = NOBODY; }
inline fresh() { attempts = 0; crashes = 0; solitary = 0; gate = NOW; }
inline finish() { unleased(); due = NEVER; gate = NOW; }
inline at_once() { due = NOW; gate = NOW; }
inline after_a_pause() { if :: due = LATER; gate = LATER; :: due = NOW; gate = NOW; fi }

/* A token is one that nobody remembers, as a random UUID is. */
inline draw_token() {
    token = 1;
#ifndef REUSED_TOKEN
    do
    :: token == mine[0] || token == mine[1] || token == seen -> token++;
    :: else -> break;
    od;
#endif
}

inline taken_away() {
    if
    :: owner < 2 -> robbed = robbed || (holds[owner] && !lapsed[owner]); holds[owner] = 0;
    :: else -> skip;
    fi
}

/* The verbs of lifecycle. */

inline announce() {
    if
    :: (state == PENDING || state == CELERY_ERROR) && due == NOW ->
        moved = 1; state = PENDING;
#ifdef TRUSTED_BROKER
        due = NEVER;
#else
        due = LATER;
#endif
    :: else -> moved = 0;
    fi
}

inline mark_untold() {
    if
    :: state == PENDING -> state = CELERY_ERROR; due = LATER;
    :: else -> skip;
    fi
}

inline claim(alone) {
    if
    :: (state == PENDING || state == CELERY_ERROR || TAKEN_ALL_THE_SAME) && GATE_IS_OPEN && (alone || !solitary) ->
        moved = 1; state = PROCESSING; draw_token(); owner = me; due = LATER; solitary = alone;
    :: else -> moved = 0;
    fi
}

inline renew() {
    if
    :: state == PROCESSING && RENEWED -> state = PROCESSING; due = LATER;
    fi
}

inline complete() {
    if
    :: state == PROCESSING && FENCE -> state = COMPLETED; fresh(); finish(); digest = read;
    fi
}

inline skip_entry() {
    if
    :: state == PROCESSING && FENCE -> state = SKIPPED; fresh(); finish(); digest = read;
    fi
}

inline retry() {
    if
    :: state == PROCESSING && FENCE ->
        state = PENDING; unleased(); after_a_pause(); attempts++; solitary = 0; digest = read;
    fi
}

inline bury() {
    if
    :: state == PROCESSING && FENCE -> state = FAILED; finish(); attempts++; solitary = 0; digest = read;
    fi
}

inline postpone() {
    if
    :: state == PROCESSING && FENCE -> state = PENDING; unleased(); after_a_pause();
    fi
}

inline release(alone_next) {
    if
    :: state == PROCESSING -> state = PENDING; unleased(); at_once(); solitary = solitary || alone_next;
    fi
}

inline supersede() {
    if
    :: state == PROCESSING && FENCE -> state = PENDING; unleased(); fresh(); at_once(); digest = text;
    fi
}

inline rescue_suspects() {
    if
    :: state == PROCESSING && IS_LOST_STILL && !solitary ->
        moved = 1; taken_away(); state = PENDING; unleased(); at_once(); solitary = 1;
    :: else -> moved = 0;
    fi
}

inline rescue_crashed() {
    if
    :: state == PROCESSING && IS_LOST_STILL && solitary ->
        moved = 1; taken_away(); state = PENDING; unleased(); after_a_pause();
#ifndef UNCOUNTED_CRASHES
        crashes++;
#endif
    :: else -> moved = 0;
    fi
}

inline bury_crashed() {
    if
    :: state == PROCESSING && IS_LOST_STILL && solitary && IS_CONVICTED ->
        moved = 1; taken_away(); state = FAILED; finish(); crashes++; solitary = 0;
        condemned = condemned || crashes < MAX_CRASHES;
    :: else -> moved = 0;
    fi
}

inline edit(again) {
    if
    :: state == PENDING || state == CELERY_ERROR || state == COMPLETED || state == SKIPPED || state == FAILED ->
        state = PENDING; fresh(); due = again; unseen = 0;
    fi
}

inline requeue() {
    if
    :: state == PENDING || state == CELERY_ERROR || state == FAILED ->
        state = PENDING; fresh(); due = NOW; unseen = 0;
    :: else -> skip;
    fi
}

inline reprocess() {
    if
    :: state == COMPLETED || state == SKIPPED || state == FAILED ->
        state = PENDING; fresh(); due = NOW; unseen = 0; outdated = 1;
    :: else -> skip;
    fi
}

inline dismiss() {
    if
    :: state == PENDING || state == CELERY_ERROR || state == FAILED ->
        state = SKIPPED; fresh(); finish(); digest = read; unseen = read != text;
    :: else -> skip;
    fi
}

/* Telling the broker, which may fail although the message goes out. */

inline publish() {
    is_told = 1;
    if
    :: WAITING && !solitary -> told_among = 1;
    :: WAITING -> told_alone = 1;
    :: WAITING && troubles > 0 -> troubles--; is_told = 0; if :: told_alone = 1; :: skip; fi
    :: else -> skip;
    fi
}

/* A worker: claim, read what is stored, extract, settle; then offer what is to be done again. */

inline take_message() {
    if
    :: told_alone -> alone = 1; if :: told_alone = 0; :: skip; fi
    :: told_among -> if :: told_among = 0; :: !told_alone -> skip; fi /* a copy keeps no other waiting for ever */
    fi
}

inline leave(owner_now) {
    if
    :: token == mine[me] -> owner = owner_now; holds[me] = 0;
    :: else -> skip;
    fi
}

inline store() {
    if
    :: is_done -> skip;
    :: !is_done && is_first -> results[read]++; outdated = 0;
    :: else -> results[read] = 1; results[1 - read] = 0; outdated = 0;
    fi
}

inline settle() {
    stale = stale || !holds[me]; holds[me] = 0;
    if
    :: IS_EDITED -> supersede(); next = OFFER;
#ifdef UNFENCED_STORE
    :: !IS_EDITED -> complete();
#else
    :: !IS_EDITED -> store(); complete();
#endif
    :: !IS_EDITED -> results[1 - read] = 0; skip_entry();
#ifdef NEVER_BURIED
    :: !IS_EDITED && !is_done -> retry();
#else
    :: !IS_EDITED && !is_done && !is_last_try -> retry();
    :: !IS_EDITED && !is_done -> bury(); /* the last try, or a permanent error */
#endif
    :: !is_done && !alone -> release(1); next = OFFER; /* the whole batch failed */
    :: troubles > 0 -> troubles--; postpone();
    :: troubles > 0 -> troubles--; release(0); next = OFFER; /* a shutdown */
    fi
}

inline forget() { mine[me] = 0; lapsed[me] = 0; alone = 0; read = 0; is_first = 0; is_done = 0; is_last_try = 0; }

active [2] proctype Worker() {
    mtype next = CLAIM;
    bit alone;
    bit read;        /* the text that it works on */
    bit is_first;    /* nothing of the extractor's is stored */
    bit is_done;     /* the extractor's result for this text is stored */
    bit is_last_try;

    do
    :: atomic {
        next == CLAIM && (told_alone || told_among) ->
        take_message();
        claim(alone);
        if
        :: moved ->
            mine[me] = token; holds[me] = 1; read = text; is_last_try = attempts + 1 >= MAX_ATTEMPTS; next = READ;
        :: !moved && !alone && WAITING && solitary -> next = TELL; /* a suspect is sent on by itself */
        :: else -> alone = 0;
        fi
       }
    :: atomic {
        next == READ && frozen != me ->
        is_first = results[0] + results[1] == 0; is_done = results[read] && !outdated; next = SETTLE;
       }
    :: atomic {
        next == SETTLE && frozen != me ->
        next = CLAIM;
#ifdef UNFENCED_STORE
        store();
#endif
        if
        :: state == PROCESSING && FENCE -> settle();
        :: !(state == PROCESSING && FENCE) -> skip; /* the lease is lost */
        :: leave(DEAD);
        :: troubles > 0 -> troubles--; leave(IDLE);
        fi;
        forget();
       }
    :: atomic { next == OFFER -> announce(); next = (moved -> TELL : CLAIM); }
    :: atomic { next == TELL -> publish(); next = (is_told -> CLAIM : OWN_UP); }
    :: atomic { next == OWN_UP -> mark_untold(); next = CLAIM; }
    od
}

/* The sweep: take back, give back, verify, offer. */

#ifndef NO_SWEEP
active proctype Sweep() {
    mtype next = LOOK;
    bit is_solitary;
    byte known_crashes;
    bit read;
    bit was_unread;

    do
    :: atomic {
        next == LOOK && state == PROCESSING && IS_LOST ->
        seen = token; is_solitary = solitary; known_crashes = crashes; next = TAKE_BACK;
       }
    :: atomic {
        next == TAKE_BACK ->
        if
        :: !is_solitary -> rescue_suspects();
        :: is_solitary && known_crashes + 1 < MAX_CRASHES -> rescue_crashed();
        :: is_solitary && known_crashes + 1 >= MAX_CRASHES -> bury_crashed();
        fi;
        seen = 0; is_solitary = 0; known_crashes = 0; next = (moved -> OFFER : LOOK);
       }
    :: atomic { next == LOOK && state == PROCESSING && owner == IDLE -> release(0); next = OFFER; }
#ifndef NO_VERIFY
    :: atomic {
        next == LOOK && FINISHED && digest != text -> read = text; was_unread = digest == UNREAD; next = PUT_BACK;
       }
    :: atomic {
        next == PUT_BACK ->
        if
        :: FINISHED && was_unread && digest == UNREAD -> digest = read;
        :: FINISHED && !was_unread && digest != read -> edit(NOW); digest = read;
        :: else -> skip;
        fi;
        read = 0; was_unread = 0; next = LOOK;
       }
#endif
    :: atomic { next == LOOK && WAITING && due == NOW -> next = OFFER; }
    :: atomic { next == OFFER -> announce(); next = (moved -> TELL : LOOK); }
    :: atomic { next == TELL -> publish(); next = (is_told -> LOOK : OWN_UP); }
    :: atomic { next == OWN_UP -> mark_untold(); next = LOOK; }
    od
}
#endif

/* Time goes on, and the leases of workers that run are renewed before they run out. */

active proctype Time() {
    do
#ifdef NO_RENEWAL
    :: due == LATER -> due = NOW;
#else
    :: atomic { due == LATER && !(state == PROCESSING && RENEWED) -> due = NOW; }
    :: atomic { due == NOW && state == PROCESSING && RENEWED -> renew(); }
#endif
    od
}

active proctype BackOff() {
    do
    :: gate == LATER -> gate = NOW;
    od
}

/* People write, retry, reprocess, dismiss and delete; messages are lost, and workers freeze. None of it need happen. */

inline insert() {
    if
    :: due = NOW; digest = UNREAD; /* by SQL, and nobody is told */
    :: due = LATER; digest = text; told_alone = 1;
    fi;
    state = PENDING;
}

inline edit_unless_in_work(again) {
    if
    :: state != PROCESSING -> edit(again);
    :: else -> skip; /* its holder will notice */
    fi
}

inline save() {
    text = 1 - text;
    if
    :: digest != text ->
        attempts = 0; crashes = 0; edit_unless_in_work(LATER); digest = text;
        if
        :: told_alone = 1;
        :: troubles > 0 -> troubles--; mark_untold();
        fi
    :: else -> skip;
    fi
}

inline update() {
    if
    :: text = 1 - text;
    :: skip; /* it cannot know that the text stays the same */
    fi;
    attempts = 0; crashes = 0; edit_unless_in_work(NOW); digest = UNREAD;
}

inline update_by_sql() { text = 1 - text; unseen = FINISHED; }

inline delete() {
    if
    :: owner < 2 -> holds[owner] = 0;
    :: else -> skip;
    fi;
    state = DELETED; fresh(); finish(); digest = UNREAD; text = 0; results[0] = 0; results[1] = 0; outdated = 0; unseen = 0;
}

inline freeze(worker) { frozen = worker; lapsed[worker] = 1; }

#define MAY_COME (troubles > 0 && state != DELETED)

active proctype Trouble() {
    bit is_dismissing;
    bit read;

    atomic { insert(); }
    do
    :: atomic { MAY_COME -> troubles--; save(); }
    :: atomic { MAY_COME -> troubles--; update(); }
    :: atomic { MAY_COME -> troubles--; update_by_sql(); }
    :: atomic { MAY_COME -> troubles--; requeue(); }
    :: atomic { MAY_COME -> troubles--; reprocess(); }
    :: atomic { MAY_COME -> troubles--; read = text; is_dismissing = 1; }
    :: atomic { is_dismissing -> dismiss(); read = 0; is_dismissing = 0; }
    :: atomic { MAY_COME -> troubles--; delete(); }
    :: atomic { MAY_COME && told_alone -> troubles--; told_alone = 0; }
    :: atomic { MAY_COME && told_among -> troubles--; told_among = 0; }
    :: atomic { MAY_COME && frozen == NOBODY && mine[0] != 0 -> troubles--; freeze(0); }
    :: atomic { MAY_COME && frozen == NOBODY && mine[1] != 0 -> troubles--; freeze(1); }
    :: frozen != NOBODY -> frozen = NOBODY;
    :: troubles > 0 || frozen != NOBODY || is_dismissing;
    od
}

/* What must hold. */

#define ONE_HOLDER (!(holds[0] && holds[1]))
#define NO_STALE_WRITE (!stale)
#define NO_RENEWED_LEASE_IS_LOST (!robbed)
#define NO_BACK_OFF_IS_CUT_SHORT (state != PROCESSING || gate == NOW)
#define ONE_RESULT (results[0] + results[1] <= 1)
#define OF_THE_CURRENT_TEXT (state != COMPLETED || unseen || (results[text] == 1 && digest == text))
#define NOTHING_OUTLIVES_DELETION (state != DELETED || results[0] + results[1] == 0)
#define NOTHING_BETWEEN_THE_STATES ((WAITING || state == PROCESSING) == (due != NEVER) && \
    (state == PROCESSING) == (token != 0) && (state == PROCESSING) == (owner != NOBODY))
#define BOUNDED_ATTEMPTS (attempts <= MAX_ATTEMPTS && crashes <= MAX_CRASHES)
#define NO_TEXT_IS_CONDEMNED_FOR_ANOTHER (!condemned)
#define ENDED (state == FAILED || state == DELETED || (state == COMPLETED && results[text] == 1) || \
    (state == SKIPPED && digest == text))

ltl one_holder { [] ONE_HOLDER }
ltl no_stale_write { [] NO_STALE_WRITE }
ltl no_renewed_lease_is_lost { [] NO_RENEWED_LEASE_IS_LOST }
ltl no_back_off_is_cut_short { [] NO_BACK_OFF_IS_CUT_SHORT }
ltl one_result { [] ONE_RESULT }
ltl of_the_current_text { [] OF_THE_CURRENT_TEXT }
ltl nothing_outlives_deletion { [] NOTHING_OUTLIVES_DELETION }
ltl nothing_between_the_states { [] NOTHING_BETWEEN_THE_STATES }
ltl bounded_attempts { [] BOUNDED_ATTEMPTS }
ltl no_text_is_condemned_for_another { [] NO_TEXT_IS_CONDEMNED_FOR_ANOTHER }
ltl nothing_goes_wrong {
    [] (ONE_HOLDER && NO_STALE_WRITE && NO_RENEWED_LEASE_IS_LOST && NO_BACK_OFF_IS_CUT_SHORT && ONE_RESULT &&
        OF_THE_CURRENT_TEXT && NOTHING_OUTLIVES_DELETION && NOTHING_BETWEEN_THE_STATES && BOUNDED_ATTEMPTS &&
        NO_TEXT_IS_CONDEMNED_FOR_ANOTHER)
}
ltl every_entry_ends { <> [] ENDED }
