// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import java.util.ArrayList;
import java.util.List;

/// One rank's shard of a model that is cut for tensor parallelism.
/// - Heads: with at least as many KV heads as ranks, whole KV heads with their query heads, sizes
///   within 1, larger first. With fewer, each rank holds a copy of one KV head and some of its
///   query heads.
/// - Feed-forward columns, in units of 32, so that the ranks hold equally many bytes of a layer.
/// - Vocabulary rows, in units of 32.
public record Shard(
        int rank, int size, Span queryHeads, Span kvHeads, Span feedForward, Span vocabulary) {

    /// Columns and rows are cut at multiples of this, the unit of every quantized type.
    public static final int UNIT = 32;

    /// Returns the shard of every rank.
    public static List<Shard> cut(ModelConfig config, int size) {
        int queryHeads = config.attention().headCount();
        if (size < 1 || size > queryHeads) {
            throw new IllegalArgumentException(
                    "tensor-parallel %d: must be between 1 and the model's %d query heads"
                            .formatted(size, queryHeads));
        }
        List<Span> kv = kvHeads(config, size);
        List<Span> query = queryHeads(config, kv);
        List<Span> feedForward = feedForward(config, query, kv);
        List<Span> vocabulary = even(config.vocabularySize(), UNIT, size);
        List<Shard> shards = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            shards.add(
                    new Shard(
                            rank,
                            size,
                            query.get(rank),
                            kv.get(rank),
                            feedForward.get(rank),
                            vocabulary.get(rank)));
        }
        return List.copyOf(shards);
    }

    /// Returns this rank's columns of a feed-forward beside the one that [#feedForward] cuts, such
    /// as the experts that every token uses.
    public Span columns(int feedForwardSize) {
        return even(feedForwardSize, UNIT, size).get(rank);
    }

    /// Returns, for each query head of this rank, the KV head it reads, counted from this rank's
    /// first.
    ///
    /// @param layer the heads of its layers
    public int[] kvHeadOf(AttentionConfig layer) {
        int group = layer.headCount() / layer.kvHeadCount();
        int[] heads = new int[queryHeads.size()];
        for (int i = 0; i < heads.length; i++) {
            heads[i] = (queryHeads.from() + i) / group - kvHeads(layer).from();
        }
        return heads;
    }

    /// Returns the KV heads that this rank's query heads read in layers with these heads: those of
    /// [#kvHeads] unless the layers differ.
    public Span kvHeads(AttentionConfig layer) {
        int group = layer.headCount() / layer.kvHeadCount();
        return new Span(queryHeads.from() / group, (queryHeads.to() - 1) / group + 1);
    }

    /// Returns what a block of this rank holds of layers with these heads. The value of latent
    /// attention is the latent part of its key.
    public KvLayout kvLayout(AttentionConfig heads, int layers, DType type, int blockSize) {
        return new KvLayout(
                layers,
                kvHeads(heads).size(),
                heads.headDim(),
                type,
                blockSize,
                heads.latent().isPresent());
    }

    /// Returns the KV heads that this rank contributes to a sum over all KV heads, counted from
    /// this rank's first: of the ranks that hold a copy, only the first contributes it.
    public Span countedKvHeads(ModelConfig config) {
        int group = config.attention().headCount() / config.attention().kvHeadCount();
        return new Span(0, queryHeads.from() % group == 0 ? kvHeads.size() : 0);
    }

    /// Returns a description for display: `heads 0-5 of 9, KV heads 0-1 of 3, FFN 0-927 of 1536,
    /// vocabulary 0-24575 of 49152`.
    public String describe(ModelConfig config) {
        return "heads %s of %d, KV heads %s of %d, FFN %s of %d, vocabulary %s of %d"
                .formatted(
                        text(queryHeads),
                        config.attention().headCount(),
                        text(kvHeads),
                        config.attention().kvHeadCount(),
                        text(feedForward),
                        config.feedForwardSize(),
                        text(vocabulary),
                        config.vocabularySize());
    }

    private static String text(Span span) {
        return span.size() == 0 ? "none" : span.from() + "-" + (span.to() - 1);
    }

    private static List<Span> kvHeads(ModelConfig config, int size) {
        int heads = config.attention().kvHeadCount();
        if (size <= heads) {
            return even(heads, 1, size);
        }
        List<Span> spans = new ArrayList<>();
        for (int head = 0; head < heads; head++) {
            for (int i = 0; i < share(size, heads, head); i++) {
                spans.add(new Span(head, head + 1));
            }
        }
        return spans;
    }

    private static List<Span> queryHeads(ModelConfig config, List<Span> kv) {
        int size = kv.size();
        int kvHeads = config.attention().kvHeadCount();
        int group = config.attention().headCount() / kvHeads;
        List<Span> spans = new ArrayList<>();
        if (size <= kvHeads) {
            kv.forEach(span -> spans.add(span.times(group)));
            return spans;
        }
        for (int head = 0; head < kvHeads; head++) {
            int first = head * group;
            for (Span queries : even(group, 1, share(size, kvHeads, head))) {
                spans.add(queries.plus(first));
            }
        }
        return spans;
    }

    /// Assigns each unit in turn to the rank that holds the fewest bytes of a layer.
    private static List<Span> feedForward(ModelConfig config, List<Span> query, List<Span> kv) {
        int size = query.size();
        long headSize = config.attention().headDim();
        long[] columns = new long[size];
        for (int rank = 0; rank < size; rank++) {
            // q and o, k and v: columns of the hidden size, like the three of the feed-forward.
            columns[rank] = (2L * query.get(rank).size() + 2L * kv.get(rank).size()) * headSize;
        }
        int[] units = new int[size];
        int total = Math.ceilDiv(config.feedForwardSize(), UNIT);
        for (int unit = 0; unit < total; unit++) {
            int smallest = 0;
            for (int rank = 1; rank < size; rank++) {
                if (columns[rank] < columns[smallest]) {
                    smallest = rank;
                }
            }
            columns[smallest] += 3L * UNIT * config.feedForwardsPerLayer();
            units[smallest]++;
        }
        return spans(units, UNIT, config.feedForwardSize());
    }

    /// Cuts `total` into `count` spans of whole units, sizes within one unit, larger first.
    private static List<Span> even(int total, int unit, int count) {
        int[] units = new int[count];
        for (int i = 0; i < count; i++) {
            units[i] = share(Math.ceilDiv(total, unit), count, i);
        }
        return spans(units, unit, total);
    }

    private static List<Span> spans(int[] units, int unit, int total) {
        List<Span> spans = new ArrayList<>();
        int from = 0;
        for (int count : units) {
            int to = Math.min(total, from + count * unit);
            spans.add(new Span(from, to));
            from = to;
        }
        return spans;
    }

    /// Returns the size of share `index` when `total` is divided into `count` shares.
    private static int share(int total, int count, int index) {
        return total / count + (index < total % count ? 1 : 0);
    }
}
