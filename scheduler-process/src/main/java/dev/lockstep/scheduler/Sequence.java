package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// One choice of a request on its way through the scheduler; owned by the step loop's thread.
///
/// Positions of its ids, with two steps in flight:
///
/// ```
/// [prompt | outputs | pending]      ids known, then ids that steps in flight will sample
/// [0, computed)                     positions found in the cache, or computed by steps sent so far
/// ```
///
/// A row that reaches the end of `known + pending` samples one more id. Policies of users read it;
/// only this package changes it.
public final class Sequence {
    enum State {
        WAITING,
        RUNNING,
        FINISHED,
        CANCELLED,
        ABORTED,
        EXPIRED
    }

    private final long arrival;
    private final String requestId;
    private final int[] prompt;
    private final SamplingParameters sampling;
    private final SchedulingOptions options;
    private final PromptOutputs wanted;
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
    private int pending;
    private boolean withoutKv;

    // Names of full blocks, high and low alternating; they outlive a preemption.
    private long[] names = new long[0];
    private int nameCount;
    private @Nullable BlockHash root;

    /// How far its outputs were delivered.
    final OutputCursor outputCursor = new OutputCursor();

    // Of the KV cache manager.
    final BlockTable[] tables;
    int reserved;
    int publishedBlocks;
    int toldBlocks;
    int toldNames;

    // Of the waiting order it stands in.
    @Nullable Sequence previous;
    @Nullable Sequence next;
    int rank;

    FairOrder.@Nullable Tenant fairTenant;

    // Of the waiting room: sequences that wait for what this one computes.
    @Nullable Sequence followers;
    @Nullable Sequence nextFollower;
    @Nullable Sequence follows;

    /// Arrival of who computed what was found in the cache at the last admission, or -1.
    long foundFrom = -1;

    Timeline.@Nullable Track track;

    /// A sequence that is the only choice of its request, with default options.
    public Sequence(long arrival, String requestId, int[] prompt, SamplingParameters sampling) {
        this(
                arrival,
                requestId,
                prompt,
                sampling,
                PromptOutputs.NONE,
                SchedulingOptions.NONE,
                Optional.empty(),
                1);
    }

    /// `arrival` orders sequences first come first served and is unique. `prompt` is shared by the
    /// choices of a request and nobody writes it; `leader` is the first of those choices.
    public Sequence(
            long arrival,
            String requestId,
            int[] prompt,
            SamplingParameters sampling,
            PromptOutputs wanted,
            SchedulingOptions options,
            Optional<Sequence> leader,
            int kvGroups) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("a prompt of 0 tokens, the least is 1");
        }
        this.arrival = arrival;
        this.requestId = requestId;
        this.prompt = prompt;
        this.sampling = sampling;
        this.wanted = wanted;
        this.options = options;
        this.leader = leader;
        tables = new BlockTable[kvGroups];
        for (int group = 0; group < kvGroups; group++) {
            tables[group] = new BlockTable();
        }
    }

    /// Its place in the order of arrival.
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

    /// The first choice of its request, when this is another one.
    Optional<Sequence> leader() {
        return leader;
    }

    public SamplingParameters sampling() {
        return sampling;
    }

    public int promptLength() {
        return prompt.length;
    }

    public int[] prompt() {
        return prompt;
    }

    /// Tokens it may generate.
    public int maxTokens() {
        return sampling.maxTokens();
    }

    /// Whether it generates at all; one that does not ends with its prompt.
    public boolean generates() {
        return sampling.maxTokens() > 0;
    }

    /// What it wants beside tokens.
    public PromptOutputs wanted() {
        return wanted;
    }

    /// Whether all of it runs in one row that keeps no keys and values: it has no blocks.
    public boolean withoutKv() {
        return withoutKv;
    }

    /// The most tokens it can take from the cache: the last one is always computed, its logits are
    /// wanted, and so is every position whose outputs are.
    int mostShared() {
        int known = knownLength() - 1;
        return wanted.any() ? Math.min(known, wanted.from()) : known;
    }

    public int outputCount() {
        return outputCount;
    }

    int[] copyOfOutputs() {
        return Arrays.copyOf(outputs, outputCount);
    }

    /// Prompt and outputs.
    public int knownLength() {
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

    /// Positions whose keys and values are there, or will be when the steps in flight are done.
    public int computed() {
        return computed;
    }

    /// Of those, found in the cache when it was last admitted.
    int cachedTokens() {
        return cachedTokens;
    }

    /// The same when it was first admitted: what its prompt saved.
    public int cachedAtFirst() {
        return cachedAtFirst;
    }

    /// Sampled ids that steps in flight owe it.
    int pending() {
        return pending;
    }

    /// Blocks in each of its tables: all are of one length, whatever their KV group gave back.
    int blockCount() {
        return tables[0].size();
    }

    /// Positions that can be sent now: 0 once the tokens in flight are certain to end it.
    public int remaining() {
        return generates() && outputCount + pending >= sampling.maxTokens()
                ? 0
                : knownLength() + pending - computed;
    }

    /// What its tables must cover to send all that remains.
    int targetLength() {
        return computed + remaining();
    }

    /// What its tables cover when it has generated all it may; the last token is never fed back.
    int finalLength() {
        return prompt.length + Math.max(0, sampling.maxTokens() - 1);
    }

    /// Whether its next row repeats or begins the ids sent with the admission, rather than
    /// decoding.
    public boolean prefilling() {
        return computed < admittedLength;
    }

    /// Names its first `blocks` full blocks, whose ids must be known.
    void nameBlocks(int blocks, int blockSize, BlockHasher hasher) {
        if (nameCount >= blocks) {
            return;
        }
        if (names.length < 2 * blocks) {
            names = Arrays.copyOf(names, Math.max(2 * blocks, 2 * names.length));
        }
        BlockHash first = root(hasher);
        for (int block = nameCount; block < blocks; block++) {
            long high = block == 0 ? first.high() : names[2 * block - 2];
            long low = block == 0 ? first.low() : names[2 * block - 1];
            int from = block * blockSize;
            if (from + blockSize <= prompt.length) {
                hasher.next(high, low, prompt, from, blockSize, names, 2 * block);
            } else if (from >= prompt.length) {
                int at = from - prompt.length;
                hasher.next(high, low, outputs, at, blockSize, names, 2 * block);
            } else {
                var ids = new int[blockSize];
                copyIds(from, ids);
                hasher.next(high, low, ids, 0, blockSize, names, 2 * block);
            }
        }
        nameCount = blocks;
    }

    /// Fills `ids` with those from `position` on, which must be known.
    void copyIds(int position, int[] ids) {
        for (int i = 0; i < ids.length; i++) {
            ids[i] = id(position + i);
        }
    }

    /// Where the chain of its names begins.
    BlockHash root(BlockHasher hasher) {
        if (root == null) {
            root = hasher.root(options.cacheDomain().words());
        }
        return root;
    }

    BlockHash name(int block) {
        return new BlockHash(nameHigh(block), nameLow(block));
    }

    long nameHigh(int block) {
        return names[2 * block];
    }

    long nameLow(int block) {
        return names[2 * block + 1];
    }

    /// Full blocks that have names.
    int nameCount() {
        return nameCount;
    }

    /// Takes a slot; its tables hold what was found in the cache.
    void admit(int slot, int cachedTokens) {
        if (state != State.WAITING || pending != 0) {
            throw new IllegalStateException(this + " cannot be admitted");
        }
        this.state = State.RUNNING;
        this.cachedAtFirst = started ? cachedAtFirst : cachedTokens;
        this.started = true;
        this.slot = slot;
        this.admittedLength = knownLength();
        this.cachedTokens = cachedTokens;
        this.computed = cachedTokens;
    }

    /// Takes a slot for the one row that it is.
    void admitWithoutKv(int slot) {
        admit(slot, 0);
        withoutKv = true;
    }

    /// Loses slot and blocks and keeps its outputs; what steps in flight sample for it still
    /// counts.
    void preempt() {
        preemptions++;
        leave(State.WAITING);
    }

    void end(State terminal) {
        leave(terminal);
    }

    private void leave(State after) {
        state = after;
        slot = -1;
        computed = 0;
        cachedTokens = 0;
        withoutKv = false;
    }

    /// `count` more positions go into a step; true when that row samples.
    boolean send(int count) {
        if (count < 1 || count > remaining()) {
            throw new IllegalStateException("a row of " + count + " tokens for " + this);
        }
        computed += count;
        boolean samples = generates() && computed == knownLength() + pending;
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
