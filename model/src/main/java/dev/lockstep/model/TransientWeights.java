// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertObserver;
import dev.lockstep.kernels.ExpertScratch;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.ExpertWeights;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.lang.reflect.Method;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Weights of a model that does not fit into memory: the first layers are packed and stay, up to a
/// limit; of the others, one is packed when it is computed, and freed when the next one is. Results
/// have the same bits.
///
/// Only matrices that are read from a mapped file as they are can be late. Those that are decoded
/// or transposed when the model is loaded are packed then, and stay, beyond the limit too.
public final class TransientWeights {
    /// The layer of what comes after all layers.
    private static final int HEAD = Integer.MAX_VALUE;

    private final Kernels kept;
    private final Supplier<Kernels> late;
    private final long maxBytes;
    private final Runnable notice;
    private final Map<Integer, Boolean> stays = new HashMap<>();

    /// What the model has of weights that were packed later than it asked for.
    private final IdentityHashMap<PackedWeight, PackedWeight> deferred = new IdentityHashMap<>();

    private Optional<ExpertObserver> observer = Optional.empty();
    private long keptBytes;
    private int layer = HEAD;
    private Optional<Layer> current = Optional.empty();

    /// A weight that is packed when it is needed.
    private record Deferred(
            int layer, List<WeightRows> segments, DType compute, int rows, int columns)
            implements PackedWeight {

        static Deferred of(List<WeightRows> segments, DType compute) {
            int rows = segments.stream().mapToInt(each -> each.rows().length).sum();
            WeightRows first = segments.getFirst();
            int layer = ObservedProducts.layer(first.name()).orElse(HEAD);
            return new Deferred(layer, segments, compute, rows, first.columns());
        }

        /// Returns 0, because none stay.
        @Override
        public long bytes() {
            return 0;
        }
    }

    private record DeferredExperts(ExpertLayer layer, int number) implements ExpertSet {}

    /// The packed weights of one layer, by what the model has of them.
    private record Layer(
            Kernels kernels,
            IdentityHashMap<Deferred, PackedWeight> weights,
            IdentityHashMap<DeferredExperts, ExpertSet> experts) {}

    private TransientWeights(Kernels kept, Supplier<Kernels> late, long maxBytes, Runnable notice) {
        this.kept = kept;
        this.late = late;
        this.maxBytes = maxBytes;
        this.notice = notice;
    }

    /// Returns kernels of the calling thread that compute with such weights. Closing them closes
    /// all that they opened.
    ///
    /// @param kept for the layers that stay, and for all that is no weight; closed with the result
    /// @param late opens kernels for one layer, in the same memory
    /// @param maxBytes a layer that is loaded when more are packed does not stay
    /// @param notice runs when a layer is the first that does not
    public static Kernels kernels(
            Kernels kept, Supplier<Kernels> late, long maxBytes, Runnable notice) {
        var weights = new TransientWeights(kept, late, maxBytes, notice);
        return Delegation.of(
                Kernels.class, (_, method, arguments) -> weights.call(method, arguments));
    }

    private @Nullable Object call(Method method, Object @Nullable [] arguments) throws Throwable {
        if (arguments == null) {
            if (method.getName().equals("close")) {
                close();
                return null;
            }
            return method.getName().equals("allocatedBytes")
                    ? (Object) allocatedBytes()
                    : Delegation.pass(kept, method, null);
        }
        switch (method.getName()) {
            case "prepare" -> {
                @SuppressWarnings("unchecked")
                var segments = (List<WeightRows>) arguments[0];
                return prepare(segments, (DType) arguments[1]);
            }
            case "prepareExperts" -> {
                return prepareExperts((ExpertLayer) arguments[0]);
            }
            case "observeExperts" -> {
                observer = Optional.of((ExpertObserver) arguments[0]);
                kept.observeExperts(this::observe);
                return null;
            }
            case "matmul" -> {
                if (arguments[1] instanceof Deferred weight) {
                    Layer own = layer(weight.layer());
                    PackedWeight packed = packed(own, weight);
                    own.kernels().matmul((Tensor) arguments[0], packed, (Tensor) arguments[2]);
                    return null;
                }
            }
            case "experts" -> {
                if (arguments[0] instanceof DeferredExperts set) {
                    Layer own = layer(set.number());
                    own.kernels()
                            .experts(
                                    packed(own, set),
                                    (Tensor) arguments[1],
                                    (Tensor) arguments[2],
                                    (ExpertScratch) arguments[3],
                                    (Tensor) arguments[4]);
                    return null;
                }
            }
            default -> {
                // As the kernels that stay.
            }
        }
        return Delegation.pass(kept, method, arguments);
    }

    private long allocatedBytes() {
        return kept.allocatedBytes()
                + current.map(each -> each.kernels().allocatedBytes()).orElse(0L);
    }

    private void close() {
        try {
            current.ifPresent(each -> each.kernels().close());
        } finally {
            kept.close();
        }
    }

    private PackedWeight prepare(List<WeightRows> segments, DType compute) {
        Deferred late = Deferred.of(segments, compute);
        boolean mapped = segments.stream().allMatch(each -> each.data().isMapped());
        return mapped && !stays.computeIfAbsent(late.layer(), _ -> hasRoom()) ? late : keep(late);
    }

    private boolean hasRoom() {
        boolean room = keptBytes < maxBytes;
        if (!room && !stays.containsValue(false)) {
            notice.run();
        }
        return room;
    }

    private PackedWeight keep(Deferred weight) {
        PackedWeight packed = kept.prepare(weight.segments(), weight.compute());
        keptBytes += packed.bytes();
        return packed;
    }

    private ExpertSet prepareExperts(ExpertLayer experts) {
        List<PackedWeight> weights =
                experts.experts().stream()
                        .flatMap(each -> Stream.of(each.gateUp(), each.down()))
                        .toList();
        if (weights.stream().allMatch(Deferred.class::isInstance)) {
            return new DeferredExperts(experts, ((Deferred) weights.getFirst()).layer());
        }
        // All stay, or some were decoded.
        return kept.prepareExperts(
                with(
                        experts,
                        weight -> {
                            if (!(weight instanceof Deferred late)) {
                                return weight;
                            }
                            PackedWeight packed = keep(late);
                            deferred.put(packed, late);
                            return packed;
                        }));
    }

    private static ExpertLayer with(ExpertLayer layer, UnaryOperator<PackedWeight> weights) {
        return new ExpertLayer(
                layer.experts().stream()
                        .map(
                                each ->
                                        new ExpertWeights(
                                                weights.apply(each.gateUp()),
                                                weights.apply(each.down()),
                                                each.gateUpBias(),
                                                each.downBias()))
                        .toList(),
                layer.activation(),
                layer.routing(),
                layer.weighsInputs());
    }

    private PackedWeight packed(Layer own, Deferred weight) {
        return own.weights()
                .computeIfAbsent(
                        weight, _ -> own.kernels().prepare(weight.segments(), weight.compute()));
    }

    private ExpertSet packed(Layer own, DeferredExperts set) {
        return own.experts()
                .computeIfAbsent(
                        set,
                        _ ->
                                own.kernels()
                                        .prepareExperts(
                                                with(
                                                        set.layer(),
                                                        weight -> {
                                                            PackedWeight packed =
                                                                    packed(own, (Deferred) weight);
                                                            deferred.put(packed, weight);
                                                            return packed;
                                                        })));
    }

    private void observe(Tensor x, PackedWeight weight) {
        observer.ifPresent(each -> each.product(x, deferred.getOrDefault(weight, weight)));
    }

    /// Returns the weights of a layer, after freeing those of another one.
    private Layer layer(int number) {
        if (current.isPresent() && layer == number) {
            return current.get();
        }
        current.ifPresent(
                each -> {
                    each.weights().values().forEach(deferred::remove);
                    each.kernels().close();
                });
        current = Optional.empty();
        var opened = new Layer(late.get(), new IdentityHashMap<>(), new IdentityHashMap<>());
        opened.kernels().observeExperts(this::observe);
        layer = number;
        current = Optional.of(opened);
        return opened;
    }
}
