package dev.lockstep.scheduler;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// A worker without a model, faithful in everything a scheduler can get wrong: slots, tables,
/// positions and what lies in each KV block. The "key and value" of a position is a hash of all ids
/// up to it, so a block that someone else overwrote, a skipped position or a wrong table shows as
/// soon as it is read.
///
/// A token is a function of (seed, choice, position, all ids before it), as in a real worker.
final class FakeWorker {
    static final int VOCABULARY = 40;
    static final int END = 0;
    static final byte[] KEY = "sixteen bytes it".getBytes(UTF_8);

    private final GroupShape shape;
    private final Map<Integer, Slot> slots = new HashMap<>();
    // [kvGroup][block][offset]
    private final long[][][] memory;
    private final BlockHasher hasher = new BlockHasher(KEY);
    private long lastStep;

    FakeWorker(GroupShape shape) {
        this.shape = shape;
        memory = new long[shape.kvGroups().size()][shape.blocks()][shape.blockSize()];
    }

    private static final class Slot {
        final SamplingParameters sampling;
        final int prompt;
        final List<Integer> ids = new ArrayList<>();
        final List<Long> prefixes = new ArrayList<>();
        final List<BlockHash> names = new ArrayList<>();
        final List<List<Integer>> tables = new ArrayList<>();
        int computed;

        Slot(StepPlan.Admission admission, int groups) {
            sampling = admission.sequence().sampling();
            prompt = admission.sequence().promptLength();
            for (int id : admission.sequence().prompt()) {
                append(id);
            }
            for (int id : admission.outputIds()) {
                append(id);
            }
            for (int group = 0; group < groups; group++) {
                tables.add(new ArrayList<>());
            }
        }

        void append(int id) {
            prefixes.add(mix(prefixes.isEmpty() ? 7 : prefixes.getLast(), id));
            ids.add(id);
        }
    }

    StepResult run(StepPlan plan) {
        require(plan.epoch() == shape.epoch(), "epoch " + plan.epoch());
        require(plan.number() == ++lastStep, "step " + plan.number() + " after " + (lastStep - 1));
        for (int slot : plan.releasedSlots()) {
            require(slots.remove(slot) != null, "released slot " + slot + " is empty");
        }
        for (var admission : plan.admitted()) {
            var slot = new Slot(admission, shape.kvGroups().size());
            require(admission.slot() < shape.maxSequences(), "slot " + admission.slot());
            require(
                    slots.put(admission.slot(), slot) == null,
                    "admission to slot " + admission.slot() + " in use");
        }
        var sampled = new ArrayList<StepResult.Sampled>();
        // All rows write before any is read, as the rows of one forward do.
        plan.rows().forEach(this::write);
        for (var row : plan.rows()) {
            var slot = requireNonNull(slots.get(row.slot()));
            read(slot);
            if (slot.computed == slot.ids.size()) {
                int position = slot.ids.size() - slot.prompt;
                int id = sample(slot.sampling, position, slot.prefixes.getLast());
                slot.append(id);
                sampled.add(new StepResult.Sampled(row.slot(), Token.of(id)));
            }
        }
        return new StepResult(plan.epoch(), plan.number(), sampled, 1);
    }

    private void write(StepPlan.Row row) {
        var slot = slots.get(row.slot());
        if (slot == null) {
            throw new IllegalStateException("row for empty slot " + row.slot());
        }
        require(row.computed() == slot.computed, "row begins at " + row.computed());
        require(
                row.count() > 0 && row.computed() + row.count() <= slot.ids.size(),
                "row of " + row.count() + " from " + row.computed() + " of " + slot.ids.size());
        for (int group = 0; group < memory.length; group++) {
            var table = slot.tables.get(group);
            for (int block : row.newBlocks()[group]) {
                require(block != BlockPool.NULL_BLOCK, "the null block was handed out");
                table.add(block);
            }
            for (int i = 0; i < row.count(); i++) {
                int position = row.computed() + i;
                int block = table.get(position / shape.blockSize());
                memory[group][block][position % shape.blockSize()] = slot.prefixes.get(position);
            }
        }
        slot.computed += row.count();
        slot.names.addAll(row.fullBlocks());
        int full = slot.names.size() * shape.blockSize();
        require(full <= slot.computed, slot.names.size() + " names of " + slot.computed);
        int[] ids = slot.ids.stream().mapToInt(Integer::intValue).toArray();
        long[] chain = new long[2 * slot.names.size()];
        hasher.chain(hasher.root(), ids, full, shape.blockSize(), chain);
        for (int block = 0; block < slot.names.size(); block++) {
            var name = new BlockHash(chain[2 * block], chain[2 * block + 1]);
            require(name.equals(slot.names.get(block)), "block " + block + " has a wrong name");
        }
        // A block is named two rows after its last id was sampled at the latest.
        require(slot.computed - full < shape.blockSize() + 2, "a full block without a name");
    }

    private void read(Slot slot) {
        for (int group = 0; group < memory.length; group++) {
            for (int position = 0; position < slot.computed; position++) {
                int block = slot.tables.get(group).get(position / shape.blockSize());
                long content = memory[group][block][position % shape.blockSize()];
                require(
                        content == slot.prefixes.get(position),
                        "position " + position + " in block " + block + " was overwritten");
            }
        }
    }

    private static int sample(SamplingParameters sampling, int position, long prefix) {
        long noise = mix(mix(mix(sampling.seed(), sampling.choice()), position), prefix);
        int id = (int) Long.remainderUnsigned(noise, VOCABULARY);
        while (position < sampling.minTokens() && sampling.stopsAt(id)) {
            id = (id + 1) % VOCABULARY;
        }
        return id;
    }

    /// What a sequence must generate, by a plain loop.
    static List<Integer> expected(int[] prompt, SamplingParameters sampling) {
        long prefix = 7;
        for (int id : prompt) {
            prefix = mix(prefix, id);
        }
        var outputs = new ArrayList<Integer>();
        while (outputs.size() < sampling.maxTokens()) {
            int id = sample(sampling, outputs.size(), prefix);
            outputs.add(id);
            prefix = mix(prefix, id);
            if (sampling.stopsAt(id)) {
                break;
            }
        }
        return outputs;
    }

    static long mix(long a, long b) {
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
