// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertRouting;
import dev.lockstep.kernels.ExpertScratch;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.ExpertWeights;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/// Mixtures of experts. The device routes the tokens and sorts their pairs with experts; what is
/// enqueued depends on the number of tokens only.
///
/// A pair has a row of scratch memory of its own, so that tokens are computed as many at a time as
/// their pairs have rows.
final class CudaExperts implements AutoCloseable {
    private static final KernelDeclaration ROUTE =
            new KernelDeclaration(
                    "experts",
                    "experts_route",
                    KernelStruct.named("ExpertsRouteParams")
                            .view("logits")
                            .pointer("chosen")
                            .pointer("weights")
                            .pointer("correction")
                            .pointer("factors")
                            .i32("per_token")
                            .i32("renormalized")
                            .i32("sigmoid")
                            .f32("scale")
                            .i32("groups")
                            .i32("kept")
                            .i32("best_two")
                            .i32("unused"));

    private static final KernelDeclaration SORT =
            new KernelDeclaration(
                    "experts",
                    "experts_sort",
                    KernelStruct.named("ExpertsSortParams")
                            .pointer("chosen")
                            .pointer("starts")
                            .pointer("tokens")
                            .pointer("places")
                            .i32("pairs")
                            .i32("per_token"));

    private static final KernelDeclaration GATE_UP =
            new KernelDeclaration(
                    "experts",
                    "experts_gate_up",
                    KernelStruct.named("ExpertsMultiplyParams")
                            .pointer("weights")
                            .pointer("biases")
                            .pointer("starts")
                            .pointer("tokens")
                            .pointer("places")
                            .pointer("factors")
                            .view("x")
                            .view("out")
                            .i64("weight_stride")
                            .i32("experts")
                            .i32("kind")
                            .i32("per_token")
                            .i32("unused"));

    private static final KernelDeclaration UP =
            new KernelDeclaration("experts", "experts_up", GATE_UP.parameters());

    private static final KernelDeclaration DOWN =
            new KernelDeclaration("experts", "experts_down", GATE_UP.parameters());

    private static final KernelDeclaration SUM =
            new KernelDeclaration(
                    "experts",
                    "experts_sum",
                    KernelStruct.named("ExpertsSumParams")
                            .view("x")
                            .pointer("places")
                            .pointer("weights")
                            .view("out")
                            .i32("per_token")
                            .i32("unused"));

    /// What a block has of dynamic shared memory without asking for more.
    private static final int ROUTE_SHARED_BYTES = 48 << 10;

    private static final int WARP = 32;
    private static final int THREADS = 256;
    private static final int TILE = 16;
    private static final int NUMBER = 4;

    private final CudaContext context;
    private final CudaOp route;
    private final CudaOp sort;
    private final CudaOp gateUp;
    private final CudaOp up;
    private final CudaOp down;
    private final CudaOp sum;
    private final CudaScratch memory;
    private int mostExperts;
    private int mostPerToken;

    CudaExperts(CudaContext context) {
        this.context = context;
        String activation = "-DACTIVATION=" + context.activationType();
        route = context.programs().op(ROUTE, ROUTE_SHARED_BYTES, activation);
        sort = context.programs().op(SORT, activation);
        gateUp = context.programs().op(GATE_UP, activation);
        up = context.programs().op(UP, activation);
        down = context.programs().op(DOWN, activation);
        sum = context.programs().op(SUM, activation);
        memory = new CudaScratch(context.memory());
    }

    static List<KernelDeclaration> declarations() {
        return List.of(ROUTE, SORT, GATE_UP, UP, DOWN, SUM);
    }

    /// @param weights the addresses of all gate and up matrices, of all down matrices, of all
    ///   biases of gate and up, and of all biases of down
    private record Prepared(
            CudaExperts owner,
            ExpertLayer layer,
            DevicePointer weights,
            int gateUpStride,
            int downStride)
            implements ExpertSet {

        DevicePointer downWeights() {
            return addresses(1);
        }

        DevicePointer gateUpBiases() {
            return addresses(2);
        }

        DevicePointer downBiases() {
            return addresses(3);
        }

        private DevicePointer addresses(int index) {
            return weights.plus((long) Long.BYTES * index * layer.experts().size());
        }
    }

    /// Where the routing of some tokens lies: for each pair the expert, the weight, the token at
    /// its place and its place; then the first place of each expert.
    private record Routing(DevicePointer memory, int pairs) {

        static long bytes(long pairs, int experts) {
            return NUMBER * (4 * pairs + experts + 1);
        }

        DevicePointer chosen() {
            return memory;
        }

        DevicePointer weights() {
            return array(1);
        }

        DevicePointer tokens() {
            return array(2);
        }

        DevicePointer places() {
            return array(3);
        }

        DevicePointer starts() {
            return array(4);
        }

        private DevicePointer array(int index) {
            return memory.plus((long) NUMBER * index * pairs);
        }
    }

    ExpertSet prepare(ExpertLayer layer) {
        int count = layer.experts().size();
        boolean gated = layer.experts().getFirst().isGated();
        if (!gated && layer.activation() == Activation.CLAMPED_SWIGLU) {
            throw layer.activation().withoutUp();
        }
        if (routeBytes(layer) > ROUTE_SHARED_BYTES) {
            throw new IllegalArgumentException(
                    "%d experts twice, %d groups and %d experts a token must be %d together on a GPU"
                            .formatted(
                                    count,
                                    layer.routing().groups(),
                                    layer.perToken(),
                                    ROUTE_SHARED_BYTES / NUMBER));
        }
        long[] addresses = new long[4 * count];
        for (int i = 0; i < count; i++) {
            ExpertWeights expert = layer.experts().get(i);
            addresses[i] = requireOwn(expert.gateUp()).pointer().address();
            addresses[count + i] = requireOwn(expert.down()).pointer().address();
            addresses[2 * count + i] = address(expert.gateUpBias());
            addresses[3 * count + i] = address(expert.downBias());
        }
        DevicePointer weights = context.memory().reserve((long) Long.BYTES * addresses.length);
        context.staging().copy(MemorySegment.ofArray(addresses), weights);
        mostExperts = Math.max(mostExperts, count);
        mostPerToken = Math.max(mostPerToken, layer.perToken());
        ExpertWeights first = layer.experts().getFirst();
        return new Prepared(
                this,
                layer,
                weights,
                requireOwn(first.gateUp()).stride(),
                requireOwn(first.down()).stride());
    }

    private static long address(Optional<Tensor> bias) {
        return bias.map(each -> each.pointer().address()).orElse(0L);
    }

    private CudaWeight requireOwn(PackedWeight weight) {
        if (!(weight instanceof CudaWeight own) || own.owner() != context) {
            throw new IllegalArgumentException("the weight was prepared by other kernels");
        }
        if (own.type() != context.activationType()) {
            throw new IllegalArgumentException(
                    "experts have weights of %s, must be %s as activations are"
                            .formatted(own.type(), context.activationType()));
        }
        return own;
    }

    /// Returns the scratch memory for the largest step of what was prepared until now.
    List<ScratchNeed> scratchNeeds(int maxTokens) {
        if (mostPerToken == 0) {
            return List.of();
        }
        long pairs = (long) maxTokens * mostPerToken;
        return List.of(new ScratchNeed(memory, Routing.bytes(pairs, mostExperts)));
    }

    void run(ExpertSet set, Tensor x, Tensor routerLogits, ExpertScratch scratch, Tensor out) {
        if (!(set instanceof Prepared own) || own.owner() != this) {
            throw new IllegalArgumentException("the experts were prepared by other kernels");
        }
        ExpertLayer layer = own.layer();
        DType type = context.activationType();
        x.require("x", type, x.rows(), layer.hiddenSize());
        routerLogits.require("routerLogits", DType.F32, x.rows(), layer.experts().size());
        out.require("out", type, x.rows(), layer.hiddenSize());
        scratch.require(layer, type, x.rows());
        int together = scratch.rows() / layer.perToken();
        for (int from = 0; from < x.rows(); from += together) {
            int to = Math.min(from + together, x.rows());
            run(own, x.rows(from, to), routerLogits.rows(from, to), scratch, out.rows(from, to));
        }
    }

    private void run(Prepared set, Tensor x, Tensor logits, ExpertScratch scratch, Tensor out) {
        ExpertLayer layer = set.layer();
        int experts = layer.experts().size();
        ExpertRouting routing = layer.routing();
        int pairs = x.rows() * layer.perToken();
        var sorted = new Routing(memory.atLeast(Routing.bytes(pairs, experts)), pairs);
        route.begin()
                .view(logits)
                .pointer(sorted.chosen())
                .pointer(sorted.weights())
                .pointer(new DevicePointer(routing.correctionAddress()))
                .pointer(new DevicePointer(routing.factorsAddress()))
                .i32(layer.perToken())
                .i32(routing.renormalized() ? 1 : 0)
                .i32(routing.score() == ExpertRouting.Score.SIGMOID ? 1 : 0)
                .f32(routing.scale())
                .i32(routing.groups())
                .i32(routing.keptGroups())
                .i32(routing.rank() == ExpertRouting.GroupRank.BEST_TWO ? 1 : 0)
                .i32(0)
                .launch(x.rows(), 1, 1, WARP, routeBytes(layer));
        sort.begin()
                .pointer(sorted.chosen())
                .pointer(sorted.starts())
                .pointer(sorted.tokens())
                .pointer(sorted.places())
                .i32(pairs)
                .i32(layer.perToken())
                .launch(experts, 1, 1, THREADS);
        Tensor product = scratch.product().rows(0, pairs);
        Tensor output = scratch.output().rows(0, pairs);
        if (layer.columns() > 0) {
            multiply(
                    layer.experts().getFirst().isGated() ? gateUp : up,
                    set.weights(),
                    set.gateUpBiases(),
                    set.gateUpStride(),
                    layer,
                    sorted,
                    layer.weighsInputs(),
                    x,
                    product);
        }
        multiply(
                down,
                set.downWeights(),
                set.downBiases(),
                set.downStride(),
                layer,
                sorted,
                false,
                product,
                output);
        weights(sum.begin().view(output).pointer(sorted.places()), sorted, !layer.weighsInputs())
                .view(out)
                .i32(layer.perToken())
                .i32(0)
                .launch(x.rows(), Math.ceilDiv(out.columns(), THREADS), 1, THREADS);
    }

    private static void multiply(
            CudaOp op,
            DevicePointer weights,
            DevicePointer biases,
            int stride,
            ExpertLayer layer,
            Routing sorted,
            boolean weighted,
            Tensor x,
            Tensor out) {
        int experts = layer.experts().size();
        // The last tile of each expert may be short.
        int tiles = sorted.pairs() / TILE + Math.min(experts, sorted.pairs());
        op.begin()
                .pointer(weights)
                .pointer(biases)
                .pointer(sorted.starts())
                .pointer(sorted.tokens())
                .pointer(sorted.places());
        weights(op, sorted, weighted)
                .view(x)
                .view(out)
                .i64(stride)
                .i32(experts)
                .i32(KernelNumbers.of(layer.activation()))
                .i32(layer.perToken())
                .i32(0)
                .launch(tiles, Math.ceilDiv(out.columns(), TILE), 1, TILE * TILE);
    }

    /// Adds the weights of the pairs, where these are to be multiplied.
    private static CudaOp weights(CudaOp op, Routing sorted, boolean weighted) {
        return weighted ? op.pointer(sorted.weights()) : op.nullPointer();
    }

    /// Returns the shared memory of a token: score and choice of each expert, the rank of each
    /// group, and the chosen experts.
    private static int routeBytes(ExpertLayer layer) {
        int groups = layer.routing().groups();
        return NUMBER * (2 * layer.experts().size() + groups + layer.perToken());
    }

    @Override
    public void close() {
        memory.close();
    }
}
