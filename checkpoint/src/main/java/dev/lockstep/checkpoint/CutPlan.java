// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/// Which file of a cut folder has which tensors.
///
/// What all ranks read alike is in one file of its stage, which all of them read: each host has it
/// once, and processes share its pages. So are vectors, of which a rank reads a part: they are
/// small, and a process that is no rank checks a model by them. Of other matrices each rank has
/// what it packs, in the type in which it packs it. A tensor of a layer that no rank reads is left
/// out.
final class CutPlan {
    private static final Pattern LAYER =
            Pattern.compile("(?:^|\\.)(?:layers?|h|blocks)\\.(\\d{1,6})\\.");
    private static final Pattern INPUT = Pattern.compile(".*(embed|\\bwte\\b|\\bwpe\\b).*");

    private final FolderCheckpoint source;
    private final List<RankReads> ranks;
    private final List<Integer> layers;
    private final Map<Place, List<CutEntry>> entries =
            new TreeMap<>(
                    Comparator.comparingInt(Place::stage)
                            .thenComparingInt(each -> each.rank().orElse(-1)));

    /// A file.
    record Place(int stage, OptionalInt rank) {}

    private CutPlan(FolderCheckpoint source, List<RankReads> ranks, List<Integer> layers) {
        this.source = source;
        this.ranks = ranks;
        this.layers = layers;
    }

    /// @param ranks what each rank reads
    static CutPlan of(FolderCheckpoint source, List<RankReads> ranks, int stages) {
        int count = source.config().layerCount();
        if (stages < 1 || stages > count) {
            throw new CheckpointException(
                    "--stages=%d: must be between 1 and the %d layers of %s"
                            .formatted(stages, count, source.path()));
        }
        List<Integer> layers =
                IntStream.range(0, stages)
                        .mapToObj(stage -> (int) ((long) stage * count / stages))
                        .toList();
        var plan = new CutPlan(source, ranks, layers);
        Set<String> whole = plan.readBesideRanks();
        source.tensorNames().forEach(name -> plan.add(name, whole.contains(name)));
        source.cacheScales()
                .tensors()
                .forEach((name, each) -> plan.shared(name, CutEntry.stored(name, each)));
        return plan;
    }

    /// Returns the first layer of each stage.
    List<Integer> layers() {
        return layers;
    }

    /// Returns the tensors of each file.
    Map<Place, List<CutEntry>> entries() {
        return entries;
    }

    /// Returns the tensors of the model that can be described, by their names.
    Map<String, CutLayout.Whole> described() {
        Map<String, CutLayout.Whole> all = new LinkedHashMap<>();
        for (String name : source.tensorNames()) {
            StoredTensor tensor = source.stored(name);
            if (tensor.type().isPresent()) {
                all.put(
                        name,
                        new CutLayout.Whole(
                                tensor.typeName(),
                                tensor.type().get(),
                                tensor.shape(),
                                tensor.decoder().isPresent()));
            }
        }
        return all;
    }

    /// Returns the head whose rows of two tokens give a score, which is computed beside the ranks.
    private Set<String> readBesideRanks() {
        boolean scores = source.sentenceModel().output() instanceof SentenceModel.Score;
        return scores && !source.isClassifier() ? Set.of("lm_head.weight") : Set.of();
    }

    private void add(String name, boolean readWhole) {
        StoredTensor tensor = source.stored(name);
        if (tensor.type().isEmpty()) {
            return;
        }
        Set<TensorType> types = new TreeSet<>();
        ranks.forEach(each -> types.addAll(each.types(name)));
        boolean coded = tensor.decoder().isPresent();
        if (readWhole || types.isEmpty()) {
            boolean asked = readWhole || ranks.stream().anyMatch(each -> each.asks(name));
            if (!coded && (asked || !LAYER.matcher(name).find())) {
                shared(name, CutEntry.stored(name, tensor));
            }
            return;
        }
        WeightMatrix matrix = source.tensor(name);
        for (TensorType type : types) {
            boolean own = type == matrix.type();
            add(name, own || types.size() == 1 ? name : name + HeldTensors.PLAIN, matrix, type);
        }
        if (types.contains(matrix.type())) {
            matrix.columnOrder()
                    .map(order -> CutEntry.order(name + HeldTensors.ORDER, order))
                    .ifPresent(entry -> shared(name, entry));
        }
    }

    /// Adds what ranks pack of a matrix in one type.
    private void add(String name, String entryName, WeightMatrix matrix, TensorType type) {
        WeightMatrix form = type == matrix.type() ? matrix : matrix.plain();
        List<Optional<RankReads.Area>> areas =
                ranks.stream().map(each -> each.area(name, type)).toList();
        Optional<RankReads.Area> first = areas.getFirst();
        if (first.isPresent() && areas.stream().allMatch(first::equals)) {
            boolean stored = matrix.decoder().isEmpty() && first.get().isWhole(matrix);
            shared(
                    name,
                    stored
                            ? CutEntry.stored(entryName, source.stored(name))
                            : CutEntry.rows(entryName, form, part(type, first.get())));
            return;
        }
        for (int rank = 0; rank < areas.size(); rank++) {
            if (areas.get(rank).isPresent()) {
                CutEntry.Part part = part(type, areas.get(rank).get());
                entries(new Place(stage(name), OptionalInt.of(rank)))
                        .add(CutEntry.rows(entryName, form, part));
            }
        }
    }

    private static CutEntry.Part part(TensorType type, RankReads.Area area) {
        return new CutEntry.Part(
                type, NumberRanges.of(area.rows()), NumberRanges.of(area.columns()));
    }

    private void shared(String name, CutEntry entry) {
        entries(new Place(stage(name), OptionalInt.empty())).add(entry);
    }

    private List<CutEntry> entries(Place place) {
        return entries.computeIfAbsent(place, _ -> new ArrayList<>());
    }

    /// Returns the stage of a tensor: that of its layer, the first for embeddings, the last for
    /// what follows the layers.
    private int stage(String name) {
        Matcher layer = LAYER.matcher(name);
        if (!layer.find()) {
            boolean input =
                    INPUT.matcher(name).matches() && !Checkpoint.OUTPUT_HEADS.contains(name);
            return input ? 0 : layers.size() - 1;
        }
        int number = Integer.parseInt(layer.group(1));
        int stage = layers.size() - 1;
        while (stage > 0 && layers.get(stage) > number) {
            stage--;
        }
        return stage;
    }
}
