package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// One choice of a request on its way through the scheduler; owned by the step loop's thread.
///
/// Positions of its ids, with two steps in flight:
///
/// ```
/// [prompt | outputs | pending]      ids known, then ids that steps in flight will sample
/// [0, computed)                     positions that steps sent so far compute
/// ```
///
/// A row that reaches the end of `known + pending` samples one more id.
final class Sequence {
    enum State {
        WAITING,
        RUNNING,
        FINISHED,
        CANCELLED,
        ABORTED
    }

    private static final BlockHash NO_NAME = new BlockHash(0, 0);

    private final long arrival;
    private final String requestId;
    private final int[] prompt;
    private final SamplingParameters sampling;
    private final long[] cacheDomain;
    private int[] outputs = new int[16];
    private int outputCount;

    private State state = State.WAITING;
    private boolean started;
    private int slot = -1;
    private int admittedLength;
    private int computed;
    private int pending;
    private BlockTable[] tables = {};
    private int reserved;
    private int namedBlocks;
    private BlockHash lastName = NO_NAME;

    // Links of the waiting queue.
    @Nullable Sequence previous;
    @Nullable Sequence next;

    /// `arrival` orders sequences first come first served and is unique. `prompt` is shared by the
    /// choices of a request and nobody writes it. Sequences of different `cacheDomain` share no
    /// blocks.
    Sequence(
            long arrival,
            String requestId,
            int[] prompt,
            SamplingParameters sampling,
            long... cacheDomain) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("a prompt of 0 tokens, the least is 1");
        }
        this.arrival = arrival;
        this.requestId = requestId;
        this.prompt = prompt;
        this.sampling = sampling;
        this.cacheDomain = cacheDomain;
    }

    long arrival() {
        return arrival;
    }

    String requestId() {
        return requestId;
    }

    SamplingParameters sampling() {
        return sampling;
    }

    int promptLength() {
        return prompt.length;
    }

    int[] prompt() {
        return prompt;
    }

    int outputCount() {
        return outputCount;
    }

    int[] copyOfOutputs() {
        return Arrays.copyOf(outputs, outputCount);
    }

    int knownLength() {
        return prompt.length + outputCount;
    }

    int id(int position) {
        return position < prompt.length ? prompt[position] : outputs[position - prompt.length];
    }

    State state() {
        return state;
    }

    /// Whether it ever held a slot: then a lost group takes it along.
    boolean started() {
        return started;
    }

    boolean live() {
        return state == State.WAITING || state == State.RUNNING;
    }

    int slot() {
        return slot;
    }

    int computed() {
        return computed;
    }

    /// Sampled ids that steps in flight owe it.
    int pending() {
        return pending;
    }

    BlockTable[] tables() {
        return tables;
    }

    /// Blocks in each of its tables: full groups hold every position, so all are of one length.
    int blockCount() {
        return tables.length == 0 ? 0 : tables[0].size();
    }

    /// Positions that can be sent now: 0 once the tokens in flight are certain to end it.
    int remaining() {
        return outputCount + pending >= sampling.maxTokens()
                ? 0
                : knownLength() + pending - computed;
    }

    /// What its tables must cover to send all that remains.
    int targetLength() {
        return computed + remaining();
    }

    /// Whether its next row repeats or begins the ids sent with the admission, rather than
    /// decoding.
    boolean prefilling() {
        return computed < admittedLength;
    }

    /// Blocks set aside per KV group in the plan being made.
    int reserved() {
        return reserved;
    }

    void reserve(int blocks) {
        reserved = blocks;
    }

    long[] cacheDomain() {
        return cacheDomain;
    }

    /// Full blocks whose names the workers were told since the admission.
    int namedBlocks() {
        return namedBlocks;
    }

    BlockHash lastName() {
        return lastName;
    }

    void named(int blocks, BlockHash last) {
        namedBlocks = blocks;
        lastName = last;
    }

    void admit(int slot, BlockTable[] tables) {
        if (state != State.WAITING || pending != 0) {
            throw new IllegalStateException(this + " cannot be admitted");
        }
        this.state = State.RUNNING;
        this.started = true;
        this.slot = slot;
        this.tables = tables;
        this.admittedLength = knownLength();
        this.computed = 0;
        this.namedBlocks = 0;
    }

    /// Loses slot and blocks and keeps its outputs; what steps in flight sample for it still
    /// counts.
    void pause() {
        leave(State.WAITING);
    }

    void end(State terminal) {
        leave(terminal);
    }

    private void leave(State after) {
        state = after;
        slot = -1;
        tables = new BlockTable[0];
        computed = 0;
    }

    /// `count` more positions go into a step; true when that row samples.
    boolean send(int count) {
        if (count < 1 || count > remaining()) {
            throw new IllegalStateException("a row of " + count + " tokens for " + this);
        }
        computed += count;
        boolean samples = computed == knownLength() + pending;
        if (samples) {
            pending++;
        }
        return samples;
    }

    /// A step in flight brought a token: it is no longer pending, whatever became of the sequence.
    void settle() {
        pending--;
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
