// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.checkpoint.ExpertConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.KvLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;

/// A decoder in plain loops over doubles: whole sequences, no cache, no ranks. The names of a
/// layer's tensors determine its norms, projections and feed-forward.
final class ReferenceDecoder {
    private final Checkpoint checkpoint;
    private final ModelConfig config;
    private final DecoderDetails details;
    private final Rope rope;
    private final double normOffset;
    private final double embeddingMultiplier;
    private final DoubleUnaryOperator activation;
    private final Map<String, double[][]> read = new HashMap<>();
    private Products products = (name, _, x) -> times(matrix(name), x);
    private boolean q8;
    private boolean plain;

    /// How the matrices of layers and of the head are multiplied.
    @FunctionalInterface
    interface Products {
        /// Returns the product of a matrix and the inputs of a token.
        double[] product(String matrix, int token, double[] x);
    }

    /// The angles of a position are `position · inverse[i]`; cosines and sines are multiplied by
    /// `factor`.
    record Rope(double[] inverse, double factor) {
        static Rope none() {
            return new Rope(new double[0], 1);
        }

        static Rope plain(double theta, int dimensions) {
            double[] inverse = new double[dimensions / 2];
            for (int i = 0; i < inverse.length; i++) {
                inverse[i] = 1 / Math.pow(theta, 2.0 * i / dimensions);
            }
            return new Rope(inverse, 1);
        }
    }

    ReferenceDecoder(
            Checkpoint checkpoint,
            Rope rope,
            double normOffset,
            double embeddingMultiplier,
            DoubleUnaryOperator activation) {
        this.checkpoint = checkpoint;
        this.config = checkpoint.config();
        this.details = config.details();
        this.rope = rope;
        this.normOffset = normOffset;
        this.embeddingMultiplier = embeddingMultiplier;
        this.activation = activation;
    }

    /// Rounds keys and values as `--kv-dtype q8` stores them.
    ReferenceDecoder withQ8() {
        q8 = true;
        return this;
    }

    /// Has quantized weights as the reference of their format rounds them.
    ReferenceDecoder withPlainWeights() {
        plain = true;
        return this;
    }

    /// Multiplies as these products do, not exactly.
    ReferenceDecoder with(Products others) {
        products = others;
        return this;
    }

    double[][] logits(int[] ids) {
        boolean gpt = checkpoint.has("transformer.wte.weight");
        String table = gpt ? "transformer.wte.weight" : "model.embed_tokens.weight";
        double[][] h = new double[ids.length][];
        for (int t = 0; t < ids.length; t++) {
            h[t] = scaled(matrix(table)[ids[t]], embeddingMultiplier);
            if (gpt) {
                add(h[t], matrix("transformer.wpe.weight")[t], 1);
            }
        }
        for (int i = 0; i < config.layerCount(); i++) {
            layer(gpt ? "transformer.h." + i : "model.layers." + i, i, h, gpt);
        }
        String head = config.tiedEmbeddings() ? table : "lm_head.weight";
        double[][] logits = new double[ids.length][];
        for (int t = 0; t < ids.length; t++) {
            double[] x = norm(gpt ? "transformer.ln_f" : "model.norm", h[t]);
            logits[t] = scaled(products.product(head, t, x), 1 / details.logitDivisor());
            for (int v = 0; v < logits[t].length; v++) {
                logits[t][v] = capped(logits[t][v], details.logitCap().orElse(0));
            }
        }
        return logits;
    }

    private void layer(String layer, int i, double[][] h, boolean gpt) {
        boolean sandwich = checkpoint.has(layer + ".pre_feedforward_layernorm.weight");
        String before = layer + (gpt ? ".ln_1" : ".input_layernorm");
        double[][] heads = new double[h.length][];
        for (int t = 0; t < h.length; t++) {
            heads[t] = qkv(layer + (gpt ? ".attn" : ".self_attn"), norm(before, h[t]), t);
        }
        for (int t = 0; t < h.length; t++) {
            double[] out =
                    linear(
                            layer + (gpt ? ".attn.c_proj" : ".self_attn.o_proj"),
                            t,
                            attend(heads, t, i));
            if (sandwich) {
                out = norm(layer + ".post_attention_layernorm", out);
            }
            add(h[t], out, details.residualMultiplier());
        }
        String between =
                layer
                        + (gpt
                                ? ".ln_2"
                                : sandwich
                                        ? ".pre_feedforward_layernorm"
                                        : ".post_attention_layernorm");
        for (int t = 0; t < h.length; t++) {
            double[] out = feedForward(layer + ".mlp", t, norm(between, h[t]));
            if (sandwich) {
                out = norm(layer + ".post_feedforward_layernorm", out);
            }
            add(h[t], out, details.residualMultiplier());
        }
    }

    /// Returns q, k and v of a token, q and k normed and rotated.
    private double[] qkv(String attention, double[] x, int position) {
        double[] all;
        if (checkpoint.has(attention + ".c_attn.weight")) {
            all = linear(attention + ".c_attn", position, x);
        } else if (checkpoint.has(attention + ".qkv_proj.weight")) {
            all = linear(attention + ".qkv_proj", position, x);
        } else {
            all =
                    concat(
                            linear(attention + ".q_proj", position, x),
                            linear(attention + ".k_proj", position, x),
                            linear(attention + ".v_proj", position, x));
        }
        int size = config.attention().headDim();
        int queries = config.attention().headCount();
        for (int head = 0; head < queries + config.attention().kvHeadCount(); head++) {
            String norm = attention + (head < queries ? ".q_norm" : ".k_norm");
            if (checkpoint.has(norm + ".weight")) {
                double[] own = Arrays.copyOfRange(all, head * size, (head + 1) * size);
                System.arraycopy(norm(norm, own), 0, all, head * size, size);
            }
            rotate(all, head * size, position);
        }
        for (int from = queries * size; q8 && from < all.length; from += KvLayout.GROUP) {
            round(all, from);
        }
        return all;
    }

    /// Rounds a group to codes of -127 to 127 times an f16 scale.
    private static void round(double[] x, int from) {
        double largest = 0;
        for (int i = from; i < from + KvLayout.GROUP; i++) {
            largest = Math.max(largest, Math.abs(x[i]));
        }
        double scale = Float.float16ToFloat(Float.floatToFloat16((float) (largest / 127)));
        for (int i = from; i < from + KvLayout.GROUP; i++) {
            x[i] = Math.clamp(Math.rint(x[i] / scale), -127, 127) * scale;
        }
    }

    private void rotate(double[] x, int from, int position) {
        int half = rope.inverse().length;
        for (int i = 0; i < half; i++) {
            double cos = Math.cos(position * rope.inverse()[i]) * rope.factor();
            double sin = Math.sin(position * rope.inverse()[i]) * rope.factor();
            double a = x[from + i];
            double b = x[from + half + i];
            x[from + i] = a * cos - b * sin;
            x[from + half + i] = b * cos + a * sin;
        }
    }

    private double[] attend(double[][] heads, int t, int layer) {
        int size = config.attention().headDim();
        int queries = config.attention().headCount();
        int group = queries / config.attention().kvHeadCount();
        int first = Math.max(0, t + 1 - config.window(layer).orElse(Integer.MAX_VALUE));
        double scale = details.attentionScale().orElse(1 / Math.sqrt(size));
        double[] out = new double[queries * size];
        for (int head = 0; head < queries; head++) {
            int key = (queries + head / group) * size;
            int value = key + config.attention().kvWidth();
            double[] weights = new double[t + 1];
            double sum = 0;
            for (int s = first; s <= t; s++) {
                double score = 0;
                for (int d = 0; d < size; d++) {
                    score += heads[t][head * size + d] * heads[s][key + d];
                }
                weights[s] = Math.exp(capped(score * scale, details.attentionCap().orElse(0)));
                sum += weights[s];
            }
            for (int s = first; s <= t; s++) {
                for (int d = 0; d < size; d++) {
                    out[head * size + d] += weights[s] / sum * heads[s][value + d];
                }
            }
        }
        return out;
    }

    private double[] feedForward(String mlp, int t, double[] x) {
        if (details.experts().isPresent()) {
            return experts(mlp, t, x, details.experts().get());
        }
        if (checkpoint.has(mlp + ".c_fc.weight")) {
            double[] inner = linear(mlp + ".c_fc", t, x);
            for (int i = 0; i < inner.length; i++) {
                inner[i] = activation.applyAsDouble(inner[i]);
            }
            return linear(mlp + ".c_proj", t, inner);
        }
        return gated(mlp, t, x);
    }

    private double[] gated(String mlp, int t, double[] x) {
        int width = config.feedForwardSize();
        double[] both =
                checkpoint.has(mlp + ".gate_up_proj.weight")
                        ? linear(mlp + ".gate_up_proj", t, x)
                        : concat(linear(mlp + ".gate_proj", t, x), linear(mlp + ".up_proj", t, x));
        double[] inner = new double[width];
        for (int i = 0; i < width; i++) {
            inner[i] = activation.applyAsDouble(both[i]) * both[width + i];
        }
        return linear(mlp + ".down_proj", t, inner);
    }

    private double[] experts(String mlp, int t, double[] x, ExpertConfig experts) {
        double[] shares = linear(mlp + ".gate", t, x);
        double sum = 0;
        for (int e = 0; e < shares.length; e++) {
            shares[e] = Math.exp(shares[e]);
            sum += shares[e];
        }
        double[] sorted = shares.clone();
        Arrays.sort(sorted);
        double threshold = sorted[sorted.length - experts.perToken()];
        double kept = 0;
        for (double share : sorted) {
            kept += share >= threshold ? share : 0;
        }
        double[] out = new double[x.length];
        for (int e = 0; e < shares.length; e++) {
            if (shares[e] >= threshold) {
                double weight = shares[e] / (experts.renormalized() ? kept : sum);
                add(out, gated(mlp + ".experts." + e, t, x), weight);
            }
        }
        return out;
    }

    private double[] norm(String name, double[] x) {
        double[][] weight = matrix(name + ".weight");
        boolean centred = checkpoint.has(name + ".bias");
        double mean = 0;
        double squares = 0;
        for (double value : x) {
            mean += centred ? value / x.length : 0;
        }
        for (double value : x) {
            squares += (value - mean) * (value - mean) / x.length;
        }
        double[] out = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            out[i] =
                    (x[i] - mean)
                            / Math.sqrt(squares + config.normEpsilon())
                            * (weight[i][0] + normOffset);
            out[i] += centred ? matrix(name + ".bias")[i][0] : 0;
        }
        return out;
    }

    private double[] linear(String name, int t, double[] x) {
        double[] out = products.product(name + ".weight", t, x);
        if (checkpoint.has(name + ".bias")) {
            for (int i = 0; i < out.length; i++) {
                out[i] += matrix(name + ".bias")[i][0];
            }
        }
        return out;
    }

    private double[][] matrix(String name) {
        return read.computeIfAbsent(
                name,
                _ -> {
                    WeightMatrix stored = checkpoint.tensor(name);
                    return QuantizedValues.of(
                            plain ? stored.plain() : stored.exact().inColumnOrder());
                });
    }

    private static double[] times(double[][] matrix, double[] x) {
        double[] out = new double[matrix.length];
        for (int row = 0; row < out.length; row++) {
            for (int c = 0; c < x.length; c++) {
                out[row] += matrix[row][c] * x[c];
            }
        }
        return out;
    }

    private static double capped(double x, double cap) {
        return cap == 0 ? x : cap * Math.tanh(x / cap);
    }

    private static double[] scaled(double[] x, double factor) {
        double[] out = x.clone();
        for (int i = 0; i < out.length; i++) {
            out[i] *= factor;
        }
        return out;
    }

    private static void add(double[] sum, double[] x, double factor) {
        for (int i = 0; i < sum.length; i++) {
            sum[i] += factor * x[i];
        }
    }

    private static double[] concat(double[]... vectors) {
        return Arrays.stream(vectors).flatMapToDouble(Arrays::stream).toArray();
    }
}
