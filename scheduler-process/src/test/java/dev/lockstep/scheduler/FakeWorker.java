// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.PromptSpans;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/// A worker without a model that detects everything a scheduler can get wrong: slots, tables,
/// positions and the content of each KV block. The "key and value" of a position is a hash of all
/// ids up to it, marked in the spans of the prompt, so a block that another sequence overwrote or
/// computed in another way, a skipped position or a wrong table is detected when it is read.
///
/// A token is a function of (seed, choice, position, all ids before it), as in a real worker.
public final class FakeWorker {
    public static final int VOCABULARY = 40;
    public static final int END = 0;
    public static final byte[] KEY = "sixteen bytes it".getBytes(UTF_8);

    // Bits of the outputs that a sequence can request.
    static final int LOGPROBS = 1;
    static final int STATES = 2;
    static final int POOLED = 4;

    private final GroupShape shape;
    private final UnaryOperator<WantedOutputs> reader;
    private final Map<Integer, Slot> slots = new HashMap<>();
    // [pool][block][offset]; groups whose blocks have equal bytes share a pool.
    private final long[][][] memory;
    private final int[] poolOfGroup;
    // The prefix up to which each line of states has seen its sequence; slots come first.
    private final long[] states;
    // The name of each block of each KV group, until a row or a copy writes to it.
    private final Map<Long, BlockHash> named = new LinkedHashMap<>();
    private final BlockHasher hasher = new BlockHasher(KEY);
    private long lastStep;

    public FakeWorker(GroupShape shape) {
        this(shape, wanted -> wanted);
    }

    /// @param reader translates the requested outputs of a sequence into those of [#wanted]
    public FakeWorker(GroupShape shape, UnaryOperator<WantedOutputs> reader) {
        this.shape = shape;
        this.reader = reader;
        var sizes = new ArrayList<Long>();
        poolOfGroup = new int[shape.pagedGroups().size()];
        for (int group = 0; group < poolOfGroup.length; group++) {
            long bytes = shape.kvGroups().get(group).bytesPerBlock();
            if (!sizes.contains(bytes)) {
                sizes.add(bytes);
            }
            poolOfGroup[group] = sizes.indexOf(bytes);
        }
        states = new long[2 * shape.maxSequences()];
        memory = new long[sizes.size()][shape.blocks()][shape.blockSize()];
    }

    private static final class Slot {
        final Choice choice;
        final int prompt;
        final List<Integer> ids = new ArrayList<>();
        final List<Long> prefixes = new ArrayList<>();
        // What the cache has of each position.
        final List<Long> contents = new ArrayList<>();
        final int spansEnd;
        final List<BlockHash> names = new ArrayList<>();
        final int cachedBlocks;
        final WantedOutputs wanted;
        final boolean withoutKv;
        final List<List<Integer>> tables = new ArrayList<>();
        int computed;
        // Ids that a constraint forced after the last id, which the next row must bring, unless it
        // was sent ahead: then it samples the first of them.
        List<Integer> forced = List.of();
        boolean mustBring;
        // Whether a row may be sent ahead of the next id, and whether one may of the last.
        boolean open;
        boolean openBefore;

        Slot(StepPlan.Admission admission, UnaryOperator<WantedOutputs> reader, GroupShape shape) {
            computed = admission.computed();
            cachedBlocks = computed / shape.blockSize();
            choice = admission.sequence().choice();
            wanted = reader.apply(admission.sequence().wanted());
            withoutKv = admission.withoutKv();
            prompt = admission.sequence().promptLength();
            spansEnd = PromptSpans.end(prompt, shape.promptSpan());
            for (int id : admission.sequence().prompt()) {
                append(id);
            }
            for (int id : admission.outputIds()) {
                append(id);
            }
            for (int group = 0; group < shape.pagedGroups().size(); group++) {
                tables.add(new ArrayList<>());
            }
        }

        void append(int id) {
            prefixes.add(mix(prefixes.isEmpty() ? 7 : prefixes.getLast(), id));
            contents.add(mix(contents.isEmpty() ? 7 : contents.getLast(), named(ids.size(), id)));
            ids.add(id);
        }

        private int named(int position, int id) {
            return position < spansEnd ? PromptSpans.marked(id) : id;
        }

        int[] namedIds() {
            return IntStream.range(0, ids.size()).map(i -> named(i, ids.get(i))).toArray();
        }
    }

    public StepResult run(StepPlan plan) {
        require(plan.epoch() == shape.epoch(), "epoch " + plan.epoch());
        require(plan.number() == ++lastStep, "step " + plan.number() + " after " + (lastStep - 1));
        for (int slot : plan.releasedSlots()) {
            require(slots.remove(slot) != null, "released slot " + slot + " is empty");
        }
        for (StepPlan.Admission admission : plan.admitted()) {
            var slot = new Slot(admission, reader, shape);
            require(admission.slot() < shape.maxSequences(), "slot " + admission.slot());
            require(
                    slots.put(admission.slot(), slot) == null,
                    "admission to slot " + admission.slot() + " in use");
        }
        for (StepPlan.BlockCopy copy : plan.copies()) {
            if (copy.kvGroup() == poolOfGroup.length) {
                states[copy.to()] = states[copy.from()];
                continue;
            }
            long[][] blocks = memory[poolOfGroup[copy.kvGroup()]];
            forgetName(copy.kvGroup(), copy.to());
            System.arraycopy(blocks[copy.from()], 0, blocks[copy.to()], 0, copy.tokens());
        }
        var sampled = new ArrayList<StepResult.Sampled>();
        var outputs = new ArrayList<StepResult.Outputs>();
        // All rows write before any is read, as the rows of one forward do.
        plan.rows().forEach(this::write);
        for (StepPlan.Row row : plan.rows()) {
            Slot slot = requireNonNull(slots.get(row.slot()));
            if (!slot.withoutKv) {
                read(slot, row.computed());
            }
            addOutputs(slot, row, outputs);
            if (slot.choice.maxTokens() > 0 && slot.computed == slot.ids.size()) {
                sampled.add(sample(slot, row.slot()));
            }
        }
        return new StepResult(plan.epoch(), plan.number(), List.of(), sampled, outputs, 1);
    }

    private static StepResult.Sampled sample(Slot slot, int number) {
        if (!slot.forced.isEmpty()) {
            int first = slot.forced.getFirst();
            slot.append(first);
            slot.forced = slot.forced.subList(1, slot.forced.size());
            // What is said about an id that is known counts for nothing.
            return new StepResult.Sampled(
                    number, SampledToken.of(first), List.of(END), true, 99, first % 2 == 0);
        }
        int position = slot.ids.size() - slot.prompt;
        int id = sample(slot.choice, position, slot.prefixes.getLast());
        slot.append(id);
        Constrained after = constrain(slot.choice, position, id, slot.prefixes.getLast());
        slot.forced = after.forced;
        slot.mustBring = !slot.forced.isEmpty();
        slot.openBefore = slot.open;
        slot.open = after.open;
        return new StepResult.Sampled(
                number,
                SampledToken.of(id),
                after.forced,
                after.complete,
                free(slot.choice, position + after.forced.size()),
                after.open);
    }

    /// Adds the outputs in two pieces, as a real worker splits long ones.
    private static void addOutputs(Slot slot, StepPlan.Row row, List<StepResult.Outputs> outputs) {
        int end = row.computed() + row.count();
        int from = Math.max(slot.wanted.from(), row.computed());
        int middle = (from + end) / 2;
        addOutputs(slot, row.slot(), from, middle, outputs);
        addOutputs(slot, row.slot(), middle, end, outputs);
    }

    private static void addOutputs(
            Slot slot, int number, int from, int to, List<StepResult.Outputs> outputs) {
        var tokens = new ArrayList<Payload>();
        var states = new ArrayList<Payload>();
        Payload pooled = Payload.NONE;
        for (int position = from; position < to; position++) {
            Payload value = payload(value(slot.prefixes.get(position)));
            if (has(slot.wanted, LOGPROBS) && position + 1 < slot.prompt) {
                tokens.add(value);
            }
            if (has(slot.wanted, STATES)) {
                states.add(value);
            }
            if (has(slot.wanted, POOLED) && position == slot.prompt - 1) {
                pooled = value;
            }
        }
        var values = new PositionOutputs(from, tokens, 1, states, pooled);
        if (!values.isEmpty()) {
            outputs.add(new StepResult.Outputs(number, values));
        }
    }

    /// Returns outputs that this worker understands.
    public static WantedOutputs wanted(int from, boolean logprobs, boolean states, boolean pooled) {
        int flags = (logprobs ? LOGPROBS : 0) | (states ? STATES : 0) | (pooled ? POOLED : 0);
        return flags == 0
                ? WantedOutputs.NONE
                : new WantedOutputs(from, new Payload(new byte[] {(byte) flags}));
    }

    static boolean has(WantedOutputs wanted, int output) {
        return wanted.any() && (wanted.request().bytes()[0] & output) != 0;
    }

    /// Returns the value in a payload of this worker.
    static float value(Payload payload) {
        return ByteBuffer.wrap(payload.bytes()).getFloat();
    }

    private static Payload payload(float value) {
        return new Payload(ByteBuffer.allocate(Float.BYTES).putFloat(value).array());
    }

    /// Returns sampling settings that this worker understands.
    public static Payload seed(long seed) {
        return new Payload(ByteBuffer.allocate(Long.BYTES).putLong(seed).array());
    }

    private static long seedOf(Choice choice) {
        return choice.sampling().isEmpty()
                ? 0
                : ByteBuffer.wrap(choice.sampling().bytes()).getLong();
    }

    /// The output of a position: a function of all ids up to it.
    static float value(long prefix) {
        return prefix >>> 48;
    }

    /// Returns the outputs of every position of these ids.
    public static List<Float> values(List<Integer> ids) {
        var values = new ArrayList<Float>();
        long prefix = 7;
        for (int id : ids) {
            prefix = mix(prefix, id);
            values.add(value(prefix));
        }
        return values;
    }

    /// A full block from an earlier epoch, with its name.
    public record Held(int kvGroup, int block, BlockHash name) {}

    /// Keeps the memory of an earlier epoch's worker of the same shape.
    public List<Held> takeOver(FakeWorker before) {
        for (int pool = 0; pool < memory.length; pool++) {
            for (int block = 0; block < shape.blocks(); block++) {
                memory[pool][block] = before.memory[pool][block].clone();
            }
        }
        named.putAll(before.named);
        return held();
    }

    /// Returns the named blocks.
    List<Held> held() {
        return named.entrySet().stream()
                .map(
                        each ->
                                new Held(
                                        (int) (each.getKey() >> 32),
                                        each.getKey().intValue(),
                                        each.getValue()))
                .toList();
    }

    private void forgetName(int group, int block) {
        for (int other = 0; other < poolOfGroup.length; other++) {
            if (poolOfGroup[other] == poolOfGroup[group]) {
                named.remove((long) other << 32 | block);
            }
        }
    }

    private void write(StepPlan.Row row) {
        Slot slot = slots.get(row.slot());
        if (slot == null) {
            throw new IllegalStateException("row for empty slot " + row.slot());
        }
        require(row.computed() == slot.computed, "row begins at " + row.computed());
        boolean ahead = slot.openBefore && row.ids().length == 0 && row.count() == 1;
        slot.openBefore = false;
        if (row.ids().length > 0 || (slot.mustBring && !ahead)) {
            var told = new ArrayList<>(List.of(slot.ids.getLast()));
            told.addAll(slot.forced);
            require(
                    told.equals(Arrays.stream(row.ids()).boxed().toList())
                            && row.computed() == slot.ids.size() - 1,
                    "the row brings " + Arrays.toString(row.ids()) + ", forced are " + told);
            slot.forced.forEach(slot::append);
            slot.forced = List.of();
            slot.mustBring = false;
        }
        require(
                row.count() > 0 && row.computed() + row.count() <= slot.ids.size(),
                "row of " + row.count() + " from " + row.computed() + " of " + slot.ids.size());
        update(row, slot);
        if (slot.withoutKv) {
            boolean whole = row.count() == slot.ids.size() && row.newBlocks().length == 0;
            require(whole, "a row of " + row.count() + " without KV");
            slot.computed += row.count();
            return;
        }
        for (int group = 0; group < poolOfGroup.length; group++) {
            List<Integer> table = slot.tables.get(group);
            for (int block : row.newBlocks()[group]) {
                table.add(block);
            }
            for (int i = 0; i < row.count(); i++) {
                int position = row.computed() + i;
                int block = table.get(position / shape.blockSize());
                require(block != BlockPool.NULL_BLOCK, "the null block is written");
                forgetName(group, block);
                memory[poolOfGroup[group]][block][position % shape.blockSize()] =
                        slot.contents.get(position);
            }
        }
        slot.computed += row.count();
        for (BlockHash name : row.fullBlocks()) {
            int index = slot.cachedBlocks + slot.names.size();
            slot.names.add(name);
            for (int group = 0; group < poolOfGroup.length; group++) {
                int block = slot.tables.get(group).get(index);
                if (block != BlockPool.NULL_BLOCK && stillHolds(slot, group, block, index)) {
                    named.put((long) group << 32 | block, name);
                }
            }
        }
        int cached = slot.cachedBlocks;
        int full = (cached + slot.names.size()) * shape.blockSize();
        require(full <= slot.computed, slot.names.size() + " names of " + slot.computed);
        int[] ids = slot.namedIds();
        long[] chain = new long[2 * (cached + slot.names.size())];
        hasher.chain(root(row.sequence()), ids, full, shape.blockSize(), chain);
        for (int i = 0; i < slot.names.size(); i++) {
            int block = cached + i;
            var name = new BlockHash(chain[2 * block], chain[2 * block + 1]);
            require(name.equals(slot.names.get(i)), "block " + block + " has a wrong name");
        }
        // A block is named two rows after its last id was sampled at the latest.
        require(slot.computed - full < shape.blockSize() + 2, "a full block without a name");
    }

    /// Continues the state of a row's slot, which must be that of the position before.
    private void update(StepPlan.Row row, Slot slot) {
        if (!shape.keepsStates()) {
            return;
        }
        require(
                row.computed() == 0 || states[row.slot()] == slot.contents.get(row.computed() - 1),
                "the state of slot " + row.slot() + " is not that of " + row.computed());
        states[row.slot()] = slot.contents.get(row.computed() + row.count() - 1);
    }

    /// Whether a block still holds its positions: a window may have passed the block before it was
    /// named.
    private boolean stillHolds(Slot slot, int group, int block, int index) {
        int last = (index + 1) * shape.blockSize() - 1;
        return memory[poolOfGroup[group]][block][shape.blockSize() - 1] == slot.contents.get(last);
    }

    private BlockHash root(Sequence sequence) {
        return hasher.root(sequence.options().cacheDomain().words());
    }

    /// Checks everything that a row from `first` on attends to.
    private void read(Slot slot, int first) {
        for (int group = 0; group < poolOfGroup.length; group++) {
            KvGroupShape kvGroup = shape.kvGroups().get(group);
            int from =
                    kvGroup.kind() == KvGroupShape.Kind.WINDOW
                            ? Math.max(0, first - kvGroup.window() + 1)
                            : 0;
            for (int position = from; position < slot.computed; position++) {
                int block = slot.tables.get(group).get(position / shape.blockSize());
                long content = memory[poolOfGroup[group]][block][position % shape.blockSize()];
                require(
                        content == slot.contents.get(position),
                        "position " + position + " in block " + block + " was overwritten");
            }
        }
    }

    private static int sample(Choice choice, int position, long prefix) {
        long noise = mix(mix(mix(seedOf(choice), choice.index()), position), prefix);
        int id = (int) Long.remainderUnsigned(noise, VOCABULARY);
        while (position < choice.minTokens() && choice.stopsAt(id)) {
            id = (id + 1) % VOCABULARY;
        }
        return id;
    }

    /// What a constraint says after a sampled id.
    private record Constrained(List<Integer> forced, boolean complete, boolean open) {}

    /// The constraint of this worker: after some ids it forces up to five more, or ends.
    private static Constrained constrain(Choice choice, int position, int id, long prefix) {
        if (!choice.constrained() || choice.stopsAt(id) || (position + 1) % period(choice) != 0) {
            return new Constrained(List.of(), false, false);
        }
        long noise = mix(prefix, choice.constraint().hashCode());
        var forced = new ArrayList<Integer>();
        for (int i = (int) Long.remainderUnsigned(noise, 8) - 3; i > 0; i--) {
            noise = mix(noise, i);
            // An end token is never forced.
            forced.add(2 + (int) Long.remainderUnsigned(noise, VOCABULARY - 2));
        }
        return new Constrained(
                forced,
                Long.remainderUnsigned(noise, 12) == 0,
                Long.remainderUnsigned(noise, 5) > 1);
    }

    /// Returns after how many tokens a constraint has its say: some after each, some after five.
    private static int period(Choice choice) {
        return choice.constraint().hashCode() % 2 == 0 ? 1 : 5;
    }

    /// Returns how many tokens come before a constraint may force others, the one before those
    /// included.
    private static int free(Choice choice, int position) {
        int period = period(choice);
        return period - (position + 1) % period;
    }

    /// Returns what a sequence must generate, computed by a plain loop.
    public static List<Integer> expected(int[] prompt, Choice choice) {
        long prefix = 7;
        for (int id : prompt) {
            prefix = mix(prefix, id);
        }
        var outputs = new ArrayList<Integer>();
        while (outputs.size() < choice.maxTokens()) {
            int id = sample(choice, outputs.size(), prefix);
            outputs.add(id);
            prefix = mix(prefix, id);
            if (choice.stopsAt(id)) {
                break;
            }
            Constrained after = constrain(choice, outputs.size() - 1, id, prefix);
            for (int forced : after.forced) {
                outputs.add(forced);
                prefix = mix(prefix, forced);
            }
            if (after.complete) {
                break;
            }
        }
        return outputs.subList(0, Math.min(outputs.size(), choice.maxTokens()));
    }

    public static long mix(long a, long b) {
        long x = a * 0x9E3779B97F4A7C15L + b + 0x632BE59BD9B4E019L;
        x = (x ^ (x >>> 30)) * 0xBF58476D1CE4E5B9L;
        x = (x ^ (x >>> 27)) * 0x94D049BB133111EBL;
        return x ^ (x >>> 31);
    }

    private static void require(boolean condition, String what) {
        if (!condition) {
            throw new IllegalStateException("the worker refuses: " + what);
        }
    }
}
