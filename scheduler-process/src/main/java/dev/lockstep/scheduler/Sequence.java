// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// One choice of a request in the scheduler; owned by the step loop's thread.
///
/// Positions of its ids, with two steps in flight:
///
/// ```
/// [prompt | outputs | pending]      known ids, then ids that steps in flight will sample
/// [0, computed)                     positions found in the cache, or computed by steps sent
/// ```
///
/// A row that reaches the end of `known + pending` samples one more id. User-defined policies read
/// a sequence; only this package changes it.
///
/// A constraint may force ids after one that was pending. If the next row is in flight then, the id
/// that it samples is the first of them: it is *foreseen*, known although it is pending.
public final class Sequence {
    private static final int ALL_TOLD = -1;
    private static final int[] NO_IDS = {};

    enum State {
        WAITING,
        RUNNING,
        FINISHED,
        CANCELLED,
        ABORTED,
        EXPIRED,
        REFUSED
    }

    private final long arrival;
    private final String requestId;
    private final int[] prompt;
    private final Choice choice;
    private final SchedulingOptions options;
    private final WantedOutputs wanted;
    private final Optional<Sequence> leader;
    private int[] outputs = new int[16];
    private int outputCount;

    private State state = State.WAITING;
    private boolean started;
    private int preemptions;
    private int slot = -1;
    private int admittedLength;
    private int cachedTokens;
    private int cachedAtFirst;
    private int computed;
    private int computedBefore;
    private int pending;
    private int rowLimit;
    private int freeUntil;
    private int foreseen;
    private boolean open;
    private int toldFrom = ALL_TOLD;
    private boolean withoutKv;
    private int migrations;
    private int suspectLength;
    private int suspects;

    private final BlockNames names = new BlockNames(this);
    private ExpectedPrefixes.Share share = new ExpectedPrefixes.Share();
    private SequenceBlocks blocks;

    /// Used by [Generation].
    final PositionOutputs.Cursor delivered = new PositionOutputs.Cursor();

    // Used by the waiting room: the tokens to prefill when it is admitted now, what they cost as
    // [StepTime#cost] counts, the part of it that it adds to the queue because nobody before it
    // computes it, and the tokens of those that passed it while it lacked memory.
    long expectedPrefill;
    long expectedCost;
    long queuedCost;
    long passed;

    // Used by its waiting order.
    @Nullable Sequence previous;
    @Nullable Sequence next;
    int rank;

    FairOrder.@Nullable Tenant fairTenant;

    // Used by the waiting room: sequences that wait for blocks which this one computes.
    @Nullable Sequence followers;
    @Nullable Sequence nextFollower;
    @Nullable Sequence follows;

    Timeline.@Nullable Track track;

    /// Creates the only choice of a request, with default options.
    public Sequence(long arrival, String requestId, int[] prompt, Choice choice) {
        this(
                arrival,
                requestId,
                prompt,
                choice,
                WantedOutputs.NONE,
                SchedulingOptions.NONE,
                Optional.empty(),
                1);
    }

    /// Creates one choice of a request.
    ///
    /// @param arrival orders sequences first come first served; unique
    /// @param prompt shared by the choices of a request; no code writes it
    /// @param leader the first choice of the request, for the other choices
    public Sequence(
            long arrival,
            String requestId,
            int[] prompt,
            Choice choice,
            WantedOutputs wanted,
            SchedulingOptions options,
            Optional<Sequence> leader,
            int kvGroups) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("a prompt of 0 tokens, the least is 1");
        }
        this.arrival = arrival;
        this.requestId = requestId;
        this.prompt = prompt;
        this.choice = choice;
        this.wanted = wanted;
        this.options = options;
        this.leader = leader;
        this.blocks = new SequenceBlocks(kvGroups);
    }

    /// Continues what another scheduler has generated; called before it is queued.
    public void goOnAfter(List<Integer> ids) {
        ids.forEach(this::append);
        computedBefore = ids.isEmpty() ? 0 : knownLength() - 1;
    }

    /// Orders sequences first come, first served; unique.
    public long arrival() {
        return arrival;
    }

    public String requestId() {
        return requestId;
    }

    public String tenant() {
        return options.tenant();
    }

    public int priority() {
        return options.priority();
    }

    public boolean guaranteed() {
        return options.guaranteed();
    }

    public SchedulingOptions options() {
        return options;
    }

    /// The first choice of its request; empty for that choice.
    public Optional<Sequence> leader() {
        return leader;
    }

    public Choice choice() {
        return choice;
    }

    public int promptLength() {
        return prompt.length;
    }

    public int[] prompt() {
        return prompt;
    }

    /// Whether it generates tokens; otherwise it ends with its prompt.
    public boolean generates() {
        return choice.maxTokens() > 0;
    }

    /// The outputs it requests in addition to tokens.
    public WantedOutputs wanted() {
        return wanted;
    }

    /// Whether all of it runs in one row that stores no keys and values; such a sequence has no
    /// blocks.
    public boolean withoutKv() {
        return withoutKv;
    }

    /// Upper bound of tokens it can take from the cache: the last known token is always computed,
    /// because its logits are needed, and so is every position whose outputs are requested.
    int maxShared() {
        int known = knownLength() - 1;
        return wanted.any() ? Math.min(known, wanted.from()) : known;
    }

    public int outputCount() {
        return outputCount;
    }

    /// The generated ids, then unused places; read-only.
    int[] outputs() {
        return outputs;
    }

    public int[] copyOfOutputs() {
        return Arrays.copyOf(outputs, outputCount);
    }

    /// Ids of prompt and outputs.
    public int knownLength() {
        return prompt.length + outputCount;
    }

    int id(int position) {
        return position < prompt.length ? prompt[position] : outputs[position - prompt.length];
    }

    State state() {
        return state;
    }

    /// Whether it ever held a slot.
    boolean started() {
        return started;
    }

    /// How often it was moved to another epoch after it had started.
    public int migrations() {
        return migrations;
    }

    /// Whether it was in a step that a rank did not survive, and has not yet computed more than it
    /// would have in that step.
    boolean suspected() {
        return knownLength() < suspectLength;
    }

    /// Number of sequences in the steps that the rank did not survive.
    int suspects() {
        return suspects;
    }

    /// How often it was preempted.
    public int preemptions() {
        return preemptions;
    }

    boolean live() {
        return state == State.WAITING || state == State.RUNNING;
    }

    int slot() {
        return slot;
    }

    /// Positions whose keys and values are in its blocks, or will be when the steps in flight have
    /// completed.
    public int computed() {
        return computed;
    }

    /// Positions found in the cache at the last admission.
    int cachedTokens() {
        return cachedTokens;
    }

    /// Positions found in the cache at the first admission, for the usage report.
    public int cachedAtFirst() {
        return cachedAtFirst;
    }

    /// Positions that were computed before it last stopped running, here or at another scheduler.
    int computedBefore() {
        return computedBefore;
    }

    /// Ids that steps in flight will sample for it.
    int pending() {
        return pending;
    }

    /// Positions that can be sent now; 0 once the tokens in flight are certain to end it, and while
    /// a constraint needs a token in flight.
    public int remaining() {
        int unknown = pending - foreseen;
        boolean waits = choice.constrained() && unknown > 0 && !mayRunAhead(unknown);
        return waits || (generates() && outputCount + unknown >= choice.maxTokens())
                ? 0
                : knownLength() + unknown - computed;
    }

    /// The most positions of its row in the step that is being planned.
    public int rowLimit() {
        return rowLimit;
    }

    void limitRow(int positions) {
        rowLimit = positions;
    }

    /// Whether a row can be sent before the ids ahead of it are known, although there is a
    /// constraint: it does not depend on them, or is probably not in vain. A stop id that is masked
    /// could be forced, but not sampled.
    private boolean mayRunAhead(int unknown) {
        return outputCount + unknown < freeUntil || (open && outputCount >= choice.minTokens());
    }

    /// Whether a constraint says little about the token that is sampled next.
    void open(boolean now) {
        open = now;
    }

    /// Counts the ids in flight as known, because a constraint forced them.
    void foresee() {
        foreseen = pending;
    }

    /// So many tokens after those known do not depend on the text before them.
    void goFree(int tokens) {
        freeUntil = (int) Math.min(Integer.MAX_VALUE, (long) outputCount + tokens);
    }

    /// The workers do not know the ids from `position` on.
    void tellFrom(int position) {
        toldFrom = position;
    }

    /// Returns the ids that the workers do not know, once.
    int[] idsToTell() {
        if (toldFrom == ALL_TOLD) {
            return NO_IDS;
        }
        int[] ids = new int[knownLength() - toldFrom];
        copyIds(toldFrom, ids);
        toldFrom = ALL_TOLD;
        return ids;
    }

    /// Positions its tables must cover to send all that remains.
    int targetLength() {
        return computed + remaining();
    }

    /// Positions its tables cover at its maximum length; the last token is never an input.
    int finalLength() {
        return prompt.length + Math.max(0, choice.maxTokens() - 1);
    }

    /// Whether its next row computes ids that were sent with its admission; otherwise it decodes.
    public boolean prefilling() {
        return computed < admittedLength;
    }

    /// Copies ids from `position` on, which must be known.
    void copyIds(int position, int[] ids) {
        for (int i = 0; i < ids.length; i++) {
            ids[i] = id(position + i);
        }
    }

    /// The names of its full blocks.
    BlockNames names() {
        return names;
    }

    SequenceBlocks blocks() {
        return blocks;
    }

    /// What it shares with other sequences of its group that wait.
    ExpectedPrefixes.Share share() {
        return share;
    }

    /// Assigns a slot. The tables already hold the blocks found in the cache.
    void admit(int slot, int cachedTokens) {
        if (state != State.WAITING || pending != 0) {
            throw new IllegalStateException(this + " cannot be admitted");
        }
        this.state = State.RUNNING;
        this.cachedAtFirst = started ? cachedAtFirst : cachedTokens;
        this.started = true;
        this.slot = slot;
        this.admittedLength = knownLength();
        this.toldFrom = ALL_TOLD;
        this.open = false;
        this.cachedTokens = cachedTokens;
        this.computed = cachedTokens;
    }

    /// Assigns a slot for its only row.
    void admitWithoutKv(int slot) {
        admit(slot, 0);
        withoutKv = true;
    }

    /// Removes slot and blocks. It keeps its outputs, and tokens that steps in flight sample for it
    /// still count.
    void preempt() {
        preemptions++;
        leave(State.WAITING);
    }

    /// Suspects it of having ended a rank, with the other sequences of the steps in flight.
    ///
    /// @param all number of suspected sequences
    void suspect(int all) {
        suspectLength = knownLength() + Math.max(1, pending);
        suspects = all;
    }

    /// Removes slot and blocks because the group is lost: it waits for the next one, and the tokens
    /// of steps in flight, which never arrive, are computed again.
    void park() {
        migrations += started ? 1 : 0;
        pending = 0;
        foreseen = 0;
        fairTenant = null;
        blocks = new SequenceBlocks(blocks.groups());
        share = new ExpectedPrefixes.Share();
        leave(State.WAITING);
    }

    void end(State terminal) {
        leave(terminal);
    }

    private void leave(State after) {
        state = after;
        slot = -1;
        computedBefore = Math.max(computedBefore, computed);
        computed = 0;
        cachedTokens = 0;
        withoutKv = false;
    }

    /// Puts `count` more positions into a step. Returns whether that row samples.
    boolean send(int count) {
        if (count < 1 || count > remaining()) {
            throw new IllegalStateException("a row of " + count + " tokens for " + this);
        }
        computed += count;
        boolean samples = generates() && computed == knownLength() + pending - foreseen;
        if (samples) {
            pending++;
        }
        return samples;
    }

    /// Counts a token of a step in flight as arrived: one fewer is pending, whatever the state of
    /// the sequence. Returns whether its id was known.
    boolean tokenArrived() {
        pending--;
        boolean known = foreseen > 0;
        foreseen -= known ? 1 : 0;
        return known;
    }

    /// Appends a generated id and returns its position among the outputs.
    int append(int id) {
        if (outputCount == outputs.length) {
            outputs = Arrays.copyOf(outputs, outputCount * 2);
        }
        outputs[outputCount] = id;
        return outputCount++;
    }

    @Override
    public String toString() {
        return "sequence "
                + arrival
                + " of request "
                + requestId
                + " ("
                + state
                + ", slot "
                + slot
                + ", "
                + prompt.length
                + " + "
                + outputCount
                + " ids, "
                + computed
                + " computed, "
                + pending
                + " pending)";
    }
}
