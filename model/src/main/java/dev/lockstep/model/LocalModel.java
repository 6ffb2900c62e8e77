// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Owned;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.nccl.SoloCommunicator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// A whole model in this process, without a cluster: the logits of every position of a text, for
/// tools that work on models. Keys and values live only as long as a text is computed.
///
/// Not thread-safe. It closes the kernels that it was loaded with.
public final class LocalModel implements AutoCloseable {
    private static final int BLOCK_SIZE = 16;

    /// Logit rows of one product, which bounds their memory.
    private static final int LOGIT_ROWS = 32;

    private final Model model;
    private final Kernels kernels;
    private final int maxTokens;
    private final ActivationBuffers activations;
    private final List<PagedKv> kv = new ArrayList<>();
    private final DeviceBuffer indexes;
    private final Owned owned = new Owned();
    private final Arena arena;
    private final MemorySegment host;
    private long uploadedBytes;
    private int tokens;

    private LocalModel(Model model, Kernels kernels, int maxTokens) {
        this.model = model;
        this.kernels = kernels;
        this.maxTokens = maxTokens;
        owned.add(kernels, Kernels::close);
        try {
            arena = owned.add(Arena.ofShared(), Arena::close);
            var communicator = owned.add(new SoloCommunicator(kernels), SoloCommunicator::close);
            activations =
                    owned.add(
                            new ActivationBuffers(
                                    model, kernels, communicator, maxTokens, LOGIT_ROWS, 1),
                            ActivationBuffers::close);
            for (var layout : model.kvLayouts()) {
                // Only the null block: texts keep nothing.
                kv.add(owned.add(kernels.allocateKv(layout, 1), PagedKv::close));
            }
            // Ids, positions, blocks, and a few rows for each KV group.
            long words = 4L * maxTokens + 64L * (kv.size() + 2);
            indexes = owned.add(kernels.allocate(words * DType.I32.bytes()), DeviceBuffer::close);
            host = arena.allocate(4L * Math.max((long) LOGIT_ROWS * model.vocabularySize(), words));
            kernels.reserve(maxTokens, LOGIT_ROWS, maxTokens);
        } catch (RuntimeException failure) {
            throw owned.closedAfter(failure);
        }
    }

    /// Loads a model with weights in the types of the checkpoint.
    ///
    /// @param maxTokens of a text
    /// @param kernels closed with this model, also if it cannot be loaded
    public static LocalModel load(
            ModelSource source, Kernels kernels, int maxTokens, LoadSettings.Progress progress) {
        return load(source, kernels, maxTokens, "f32", progress);
    }

    /// Loads the same with keys and values of another type.
    ///
    /// @param kvDtype as in [ComputeTypes#resolve]
    public static LocalModel load(
            ModelSource source,
            Kernels kernels,
            int maxTokens,
            String kvDtype,
            LoadSettings.Progress progress) {
        Model model;
        try {
            ComputeTypes types = source.computeTypes("auto", kvDtype, kernels.capabilities());
            var settings =
                    new LoadSettings(types.compute(), types.kv(), BLOCK_SIZE, maxTokens, progress);
            model = source.load(source.shard(0, 1), kernels, settings);
        } catch (RuntimeException failure) {
            kernels.close();
            throw failure;
        }
        return new LocalModel(model, kernels, maxTokens);
    }

    public int vocabularySize() {
        return model.vocabularySize();
    }

    /// Computes a text; afterwards [#logits] returns what follows each of its tokens.
    ///
    /// @param ids at most as many as the model was loaded for, each below [#vocabularySize]
    public void run(int[] ids) {
        if (ids.length < 1 || ids.length > maxTokens) {
            throw new IllegalArgumentException(
                    "%d tokens, must be 1 to %d".formatted(ids.length, maxTokens));
        }
        tokens = ids.length;
        uploadedBytes = 0;
        int blocks = Math.ceilDiv(tokens, BLOCK_SIZE);
        PagedBatch rows = page(1, tokens, IntStream.rangeClosed(1, blocks).toArray());
        List<PagedBatch> none = new ArrayList<>();
        for (KvGroup _ : model.config().pagedGroups()) {
            none.add(page(0, 0, new int[1]));
        }
        Tensor positions = upload(IntStream.range(0, tokens).toArray());
        model.forward(
                new ForwardBatch(
                        tokens,
                        upload(ids),
                        positions,
                        Optional.empty(),
                        none,
                        Optional.of(rows),
                        upload(model.hasOutputHead() ? new int[] {tokens - 1} : new int[0])),
                kv,
                activations);
    }

    /// Returns the logits after each of the tokens `[from, to)` of the last text.
    public float[][] logits(int from, int to) {
        if (from < 0 || to < from || to > tokens) {
            throw new IllegalArgumentException("tokens [%d, %d) of %d".formatted(from, to, tokens));
        }
        int vocabulary = model.vocabularySize();
        float[][] result = new float[to - from][vocabulary];
        for (int first = from; first < to; first += LOGIT_ROWS) {
            int end = Math.min(to, first + LOGIT_ROWS);
            uploadedBytes = 0;
            Tensor logits =
                    model.logits(
                            tokens, upload(IntStream.range(first, end).toArray()), activations);
            kernels.copyToHost(logits, host.asSlice(0, logits.bytes()));
            for (int i = first; i < end; i++) {
                long offset = 4L * (i - first) * vocabulary;
                MemorySegment.copy(
                        host, ValueLayout.JAVA_FLOAT, offset, result[i - from], 0, vocabulary);
            }
        }
        return result;
    }

    /// Returns the hidden states of all tokens of the last text after the last norm, `[tokens,
    /// hidden]`.
    public float[] hiddenStates() {
        return ObservedProducts.values(kernels, model.hiddenStates(tokens, activations));
    }

    private PagedBatch page(int rows, int rowTokens, int[] blocks) {
        int[] starts = rows == 0 ? new int[1] : new int[] {0, rowTokens};
        return new PagedBatch(
                rows,
                rowTokens,
                upload(starts),
                upload(new int[rows]),
                upload(new int[rows]),
                upload(blocks));
    }

    private Tensor upload(int[] values) {
        Tensor tensor = indexes.tensor(uploadedBytes, DType.I32, 1, values.length);
        uploadedBytes += DType.I32.bytes() * (long) values.length;
        MemorySegment source = host.asSlice(0, tensor.bytes());
        MemorySegment.copy(values, 0, source, ValueLayout.JAVA_INT, 0, values.length);
        kernels.copyToDevice(source, tensor);
        return tensor;
    }

    @Override
    public void close() {
        owned.close();
    }
}
