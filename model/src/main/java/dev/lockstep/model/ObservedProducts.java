// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.FusedExperts;
import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertWeights;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Shows the inputs of a model's matrix products to an observer, by the names of the tensors that
/// they are multiplied by, and the keys and values of its layers. The inputs of an expert are those
/// of the tokens that chose it.
///
/// Of a tensor that has all experts of a layer, the rows of one have the name that a tensor of
/// their own would have: see [#ofExpert]. Where a folder has gate and up in one tensor too, they
/// have the names of [FusedExperts] as well.
///
/// A model that is loaded with [#kernels] is observed without knowing it.
public final class ObservedProducts {
    private static final Pattern LAYER = Pattern.compile("\\.(?:layers|h)\\.(\\d+)\\.");

    private static final Pattern ALL_EXPERTS = Pattern.compile("\\.experts\\.(?!\\d)");

    private static final Pattern EXPERT = Pattern.compile("\\.experts\\.(\\d{1,5})\\.");

    private final Kernels target;
    private final Observer observer;
    private final Kernels kernels;
    private final IdentityHashMap<PackedWeight, List<String>> names = new IdentityHashMap<>();

    /// The matrix of a layer that was multiplied last.
    private String last = "";

    /// Sees each product before it is computed.
    @FunctionalInterface
    public interface Observer {

        /// Sees a product that is about to be computed.
        ///
        /// @param weights the names of the stored matrices whose rows the product has
        /// @param x `[T, columns]`, only to be read, and only during the call
        void product(List<String> weights, Tensor x);

        /// Sees the keys and values that a layer stores, keys as they are after rotation; nothing
        /// of a layer whose values are its keys.
        ///
        /// @param attention the names of the layer's matrices up to the last point
        /// @param heads of the columns of `qkv`
        /// @param qkv `[T, heads.qkvColumns]`, only to be read, and only during the call
        default void stored(String attention, AttentionShape heads, Tensor qkv) {}
    }

    public ObservedProducts(Kernels target, Observer observer) {
        this.target = target;
        this.observer = observer;
        this.kernels =
                Delegation.of(Kernels.class, (_, method, arguments) -> call(method, arguments));
        target.observeExperts((x, weight) -> observe(weight, x));
    }

    /// Returns kernels that compute what the observed ones compute.
    public Kernels kernels() {
        return kernels;
    }

    /// Returns the layer of a matrix by its name; empty for embeddings and the head.
    public static OptionalInt layer(String name) {
        Matcher layer = LAYER.matcher(name);
        return layer.find()
                ? OptionalInt.of(Integer.parseInt(layer.group(1)))
                : OptionalInt.empty();
    }

    /// Returns the expert of a matrix by its name; empty for one that belongs to none.
    public static OptionalInt expert(String name) {
        Matcher expert = EXPERT.matcher(name);
        return expert.find()
                ? OptionalInt.of(Integer.parseInt(expert.group(1)))
                : OptionalInt.empty();
    }

    /// Returns whether a tensor has the rows of all experts of a layer by its name.
    public static boolean hasAllExperts(String name) {
        return ALL_EXPERTS.matcher(name).find();
    }

    /// Returns the name of the rows of one expert in a tensor that has those of all:
    /// `experts.5.up_proj.weight` in `experts.up_proj.weight`. Other names stay as they are.
    public static String ofExpert(String name, int expert) {
        return ALL_EXPERTS.matcher(name).replaceFirst(".experts." + expert + ".");
    }

    /// Returns a copy of an input.
    ///
    /// @param kernels the observed ones
    /// @param x F32
    public static float[] values(Kernels kernels, Tensor x) {
        x.require("x", DType.F32, x.rows(), x.columns());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(x.bytes(), Float.BYTES);
            kernels.copyToHost(x, host);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    private @Nullable Object call(Method method, Object @Nullable [] arguments) throws Throwable {
        if (method.getName().equals("matmul") && arguments != null) {
            observe((PackedWeight) arguments[1], (Tensor) arguments[0]);
        } else if (method.getName().equals("prepareExperts") && arguments != null) {
            nameExperts((ExpertLayer) arguments[0]);
        }
        Object result = Delegation.pass(target, method, arguments);
        if (result instanceof PackedWeight weight && arguments != null) {
            names.put(weight, namesOf((List<?>) arguments[0]));
        }
        return result instanceof AttentionBackend backend && arguments != null
                ? observed(backend, (AttentionShape) arguments[0])
                : result;
    }

    /// Returns a backend whose keys and values are shown. They are of the layer whose queries, keys
    /// and values were the last product.
    private AttentionBackend observed(AttentionBackend backend, AttentionShape heads) {
        return Delegation.of(
                AttentionBackend.class,
                (_, method, arguments) -> {
                    Object result = Delegation.pass(backend, method, arguments);
                    if (method.getName().equals("rotateAndStore")
                            && arguments != null
                            && !((PagedKv) arguments[4]).layout().valuesAreKeys()) {
                        observer.stored(attention(last), heads, (Tensor) arguments[1]);
                    }
                    return result;
                });
    }

    /// Returns `model.layers.0.self_attn` of `model.layers.0.self_attn.k_proj.weight`.
    private static String attention(String weight) {
        return weight.replaceFirst("\\.[^.]+\\.weight$", "");
    }

    private void observe(PackedWeight weight, Tensor x) {
        List<String> weights = names.get(weight);
        if (weights == null) {
            return;
        }
        if (layer(weights.getFirst()).isPresent()) {
            last = weights.getFirst();
        }
        observer.product(weights, x);
    }

    private void nameExperts(ExpertLayer layer) {
        for (int i = 0; i < layer.experts().size(); i++) {
            int expert = i;
            ExpertWeights weights = layer.experts().get(i);
            for (PackedWeight each : List.of(weights.gateUp(), weights.down())) {
                names.computeIfPresent(
                        each,
                        (_, all) ->
                                all.stream().flatMap(name -> namesOfExpert(name, expert)).toList());
            }
        }
    }

    /// Returns the names that the rows of one expert have: in a tensor of all experts, and as
    /// matrices of the expert alone.
    private static Stream<String> namesOfExpert(String name, int expert) {
        return Stream.concat(
                        Stream.of(ofExpert(name, expert)),
                        FusedExperts.namesOfExpert(name, expert).stream())
                .distinct();
    }

    private static List<String> namesOf(List<?> segments) {
        return segments.stream().map(each -> ((WeightRows) each).name()).distinct().toList();
    }
}
