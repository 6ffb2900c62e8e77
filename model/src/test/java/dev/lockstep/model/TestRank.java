// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.TestGroup.Row;
import dev.lockstep.nccl.Communicator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/// One rank of a [TestGroup]. Batches of one shape have their inputs at the same addresses.
final class TestRank implements AutoCloseable {
    private static final int MAX_TOKENS = 256;
    private static final int MAX_LOGIT_ROWS = 256;

    private final Model model;
    private final Kernels kernels;
    private final Communicator communicator;
    private final ActivationBuffers activations;
    private final List<PagedKv> kv = new ArrayList<>();
    private final DeviceBuffer indexes;
    private final Arena arena = Arena.ofShared();
    private final Map<Shape, Recorded> recorded = new HashMap<>();
    private long uploadedBytes;
    private int[] places = {};

    private record Shape(int rows, int tokens, int width) {}

    private record Recorded(Recording recording, Tensor logits) {}

    private TestRank(Model model, Kernels kernels, Communicator communicator, int blocks) {
        this.model = model;
        this.kernels = kernels;
        this.communicator = communicator;
        activations =
                new ActivationBuffers(
                        model, kernels, communicator, MAX_TOKENS, MAX_LOGIT_ROWS, MAX_LOGIT_ROWS);
        for (KvLayout layout : model.kvLayouts()) {
            kv.add(kernels.allocateKv(layout, blocks));
        }
        indexes = kernels.allocate(1 << 20);
    }

    /// @param positions the longest sequence, if it is longer than the model's context
    static TestRank load(
            Path path,
            int rank,
            int size,
            String dtype,
            String kvDtype,
            TestRanks ranks,
            int positions) {
        ModelSource source = ModelSource.open(path);
        ComputeTypes types = source.computeTypes(dtype, kvDtype, ranks.capabilities());
        Kernels kernels = ranks.open(rank, types);
        int maxPositions = Math.max(positions, Math.min(2048, source.contextLength()));
        Model model =
                source.load(
                        source.shard(rank, size),
                        kernels,
                        new LoadSettings(
                                types.compute(),
                                types.kv(),
                                TestGroup.BLOCK_SIZE,
                                maxPositions,
                                LoadSettings.Progress.none()));
        Communicator communicator =
                ranks.meet(
                        rank,
                        size,
                        ActivationBuffers.collectiveBytes(
                                model, kernels.activationType(), MAX_TOKENS, MAX_LOGIT_ROWS),
                        kernels);
        kernels.reserve(MAX_TOKENS, MAX_LOGIT_ROWS, maxPositions);
        return new TestRank(model, kernels, communicator, ranks.blocks());
    }

    Model model() {
        return model;
    }

    void attachThread() {
        kernels.attachThread();
    }

    /// Copies blocks of every KV group.
    void copyBlocks(List<BlockCopy> copies) {
        kv.forEach(each -> kernels.copyBlocks(each, copies));
    }

    /// Returns the logits of every token of every row, on rank 0.
    float[][] forward(List<Row> rows, int span) {
        return read(model.forward(upload(rows, span), kv, activations));
    }

    /// Returns the hidden states of every token of whole sequences that keep no keys and values.
    float[][] hiddenStates(List<Row> rows, int span) {
        return hiddenStates(withoutKv(upload(rows, span)));
    }

    /// Returns the same of sequences that keep them.
    float[][] hiddenStatesWithKv(List<Row> rows, int span) {
        return hiddenStates(upload(rows, span));
    }

    private float[][] hiddenStates(ForwardBatch batch) {
        model.forward(batch, kv, activations);
        float[][] placed = read(model.hiddenStates(batch.tokens(), activations));
        return IntStream.of(places).mapToObj(place -> placed[place]).toArray(float[][]::new);
    }

    private ForwardBatch withoutKv(ForwardBatch batch) {
        PagedBatch all = batch.kv().getFirst();
        Tensor none = all.lines().columns(0, 0);
        var nothing =
                new PagedBatch(0, 0, all.rowStarts().columns(0, 1), none, none, all.blockTable());
        return new ForwardBatch(
                batch.tokens(),
                batch.ids(),
                batch.positions(),
                batch.tokenTypes(),
                Collections.nCopies(batch.kv().size(), nothing),
                Optional.of(all),
                batch.logitRows().columns(0, 0));
    }

    /// Does the same by a recording of this shape, made when the shape comes up first.
    float[][] replay(List<Row> rows) {
        ForwardBatch batch = upload(rows, 0);
        var shape = new Shape(rows.size(), batch.tokens(), width(rows));
        Recorded found = recorded.get(shape);
        if (found == null) {
            found = record(batch);
            recorded.put(shape, found);
        }
        found.recording().launch();
        return read(found.logits());
    }

    /// Runs the step once, so that nothing is set up while it is recorded, and records it. States
    /// are as they were before.
    private Recorded record(ForwardBatch batch) {
        Tensor states = activations.states();
        MemorySegment before = arena.allocate(states.bytes(), 64);
        kernels.copyToHost(states, before);
        model.forward(batch, kv, activations);
        kernels.copyToDevice(before, states);
        kernels.synchronize();
        var logits = new ArrayList<Tensor>();
        Recording recording =
                kernels.record(() -> logits.add(model.forward(batch, kv, activations)))
                        .orElseThrow();
        return new Recorded(recording, logits.getFirst());
    }

    private float[][] read(Tensor logits) {
        int tokens = logits.rows();
        MemorySegment host = arena.allocate(logits.bytes(), 64);
        kernels.copyToHost(logits, host);
        float[][] result = new float[tokens][logits.columns()];
        for (int t = 0; t < tokens; t++) {
            MemorySegment.copy(
                    host,
                    ValueLayout.JAVA_FLOAT,
                    4L * t * logits.columns(),
                    result[t],
                    0,
                    logits.columns());
        }
        return result;
    }

    /// A part of a row, all of whose positions are computed alike.
    private record Piece(Row row, int number, int from, int to) {}

    /// Returns the parts of rows, those that are expanded first.
    private static List<Piece> pieces(List<Row> rows, int span) {
        List<Piece> pieces = new ArrayList<>();
        for (int r = 0; r < rows.size(); r++) {
            Row row = rows.get(r);
            if (row.expandedEnd(span) > row.computed()) {
                pieces.add(new Piece(row, r, row.computed(), row.expandedEnd(span)));
            }
        }
        for (int r = 0; r < rows.size(); r++) {
            Row row = rows.get(r);
            if (row.expandedEnd(span) < row.end()) {
                pieces.add(new Piece(row, r, row.expandedEnd(span), row.end()));
            }
        }
        return pieces;
    }

    private ForwardBatch upload(List<Row> rows, int span) {
        List<Piece> pieces = pieces(rows, span);
        int expandedRows = 0;
        int expandedTokens = 0;
        int tokens = rows.stream().mapToInt(row -> row.ids().length).sum();
        int[] ids = new int[tokens];
        int[] positions = new int[tokens];
        int[] types = new int[tokens];
        places = new int[tokens];
        int[] firsts = new int[rows.size()];
        for (int r = 1; r < rows.size(); r++) {
            firsts[r] = firsts[r - 1] + rows.get(r - 1).ids().length;
        }
        int[] starts = new int[pieces.size() + 1];
        int[] computed = new int[pieces.size()];
        int[] pieceLines = new int[pieces.size()];
        int[] lines = new int[rows.size()];
        int token = 0;
        for (int p = 0; p < pieces.size(); p++) {
            Piece piece = pieces.get(p);
            Row row = piece.row();
            int r = piece.number();
            lines[r] = row.isPadding() ? PagedBatch.PADDING : line(row, r);
            pieceLines[p] = lines[r];
            computed[p] = piece.from();
            for (int i = piece.from() - row.computed(); i < piece.to() - row.computed(); i++) {
                ids[token] = row.ids()[i];
                positions[token] = row.computed() + i;
                types[token] = i >= row.secondText() ? 1 : 0;
                places[firsts[r] + i] = token++;
            }
            starts[p + 1] = token;
            if (piece.to() <= row.expandedEnd(span)) {
                expandedRows++;
                expandedTokens += piece.to() - piece.from();
            }
        }
        uploadedBytes = 0;
        List<PagedBatch> paged = new ArrayList<>();
        int tableRows = Math.max(rows.size(), IntStream.of(lines).max().orElse(0) + 1);
        for (KvGroup group : model.config().pagedGroups()) {
            paged.add(
                    new PagedBatch(
                            pieces.size(),
                            tokens,
                            upload(starts, 1),
                            upload(computed, 1),
                            upload(pieceLines, 1),
                            upload(table(group, rows, lines, tableRows, width(rows)), tableRows),
                            expandedRows,
                            expandedTokens));
        }
        boolean typed = IntStream.of(types).anyMatch(type -> type > 0);
        return new ForwardBatch(
                tokens,
                upload(ids, 1),
                upload(positions, 1),
                typed ? Optional.of(upload(types, 1)) : Optional.empty(),
                paged,
                Optional.empty(),
                upload(places, 1));
    }

    private static int width(List<Row> rows) {
        return rows.stream().mapToInt(row -> row.blocks().length).max().orElseThrow();
    }

    /// Returns the line of a row: in a model with states that of its sequence, which its first
    /// block tells.
    private int line(Row row, int number) {
        return model.config().stateGroup().isPresent() ? row.blocks()[0] : number;
    }

    private static int[] table(
            KvGroup group, List<Row> rows, int[] lines, int tableRows, int width) {
        int[] table = new int[tableRows * width];
        for (int r = 0; r < rows.size(); r++) {
            int[] blocks = rows.get(r).blocks();
            int seen =
                    group.window() == 0
                            ? 0
                            : Math.max(0, rows.get(r).computed() + 1 - group.window());
            for (int b = seen / TestGroup.BLOCK_SIZE; b < blocks.length; b++) {
                table[lines[r] * width + b] = blocks[b];
            }
        }
        return table;
    }

    private Tensor upload(int[] values, int rows) {
        Tensor tensor = indexes.tensor(uploadedBytes, DType.I32, rows, values.length / rows);
        uploadedBytes += 4L * values.length;
        kernels.copyToDevice(arena.allocateFrom(ValueLayout.JAVA_INT, values), tensor);
        return tensor;
    }

    @Override
    public void close() {
        recorded.values().forEach(each -> each.recording().close());
        activations.close();
        kv.forEach(PagedKv::close);
        indexes.close();
        communicator.close();
        kernels.close();
        arena.close();
    }
}
