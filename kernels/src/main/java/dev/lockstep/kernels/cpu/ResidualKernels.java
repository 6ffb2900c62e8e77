// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tensor;

/// The ops of models with several residuals of a token: they check sizes, then give each thread
/// some rows. They pass once over their rows and are in Java on every instruction set; sums are in
/// double, in ascending columns.
final class ResidualKernels {
    private final ThreadTeam team;

    ResidualKernels(ThreadTeam team) {
        this.team = team;
    }

    void addScaledRows(Tensor x, Tensor y, Tensor factors) {
        require(x);
        y.require("y", DType.F32, x.rows(), x.columns());
        factors.require("factors", DType.F32, x.rows(), 1);
        forEachRow(
                x,
                t -> {
                    float factor = at(row(factors, t), 0);
                    long to = row(x, t);
                    long from = row(y, t);
                    for (int c = 0; c < x.columns(); c++) {
                        set(to, c, Math.fma(at(from, c), factor, at(to, c)));
                    }
                });
    }

    void scaleColumns(Tensor x, Tensor factors) {
        require(x);
        factors.require("factors", DType.F32, 1, x.columns());
        forEachRow(
                x,
                t -> {
                    long to = row(x, t);
                    for (int c = 0; c < x.columns(); c++) {
                        set(to, c, at(to, c) * at(row(factors, 0), c));
                    }
                });
    }

    void matchMagnitude(Tensor x, Tensor like, float least) {
        require(x);
        like.require("like", DType.F32, x.rows(), x.columns());
        forEachRow(
                x,
                t -> {
                    double wanted = squares(row(like, t), x.columns()) / x.columns();
                    double own = squares(row(x, t), x.columns()) / x.columns();
                    float factor = (float) Math.sqrt(wanted / Math.max(own, least));
                    long to = row(x, t);
                    for (int c = 0; c < x.columns(); c++) {
                        set(to, c, at(to, c) * factor);
                    }
                });
    }

    void moments(Tensor x, Tensor out) {
        require(x);
        out.require("out", DType.F32, x.rows(), 2);
        forEachRow(
                x,
                t -> {
                    double sum = 0;
                    for (int c = 0; c < x.columns(); c++) {
                        sum += at(row(x, t), c);
                    }
                    set(row(out, t), 0, (float) sum);
                    set(row(out, t), 1, (float) squares(row(x, t), x.columns()));
                });
    }

    void keepAbove(Tensor x, Tensor moments, int count, float deviations) {
        require(x);
        moments.require("moments", DType.F32, x.rows(), 2);
        forEachRow(
                x,
                t -> {
                    double mean = (double) at(row(moments, t), 0) / count;
                    double variance = at(row(moments, t), 1) / (double) count - mean * mean;
                    var cut = (float) (mean + deviations * Math.sqrt(Math.max(0, variance)));
                    long to = row(x, t);
                    for (int c = 0; c < x.columns(); c++) {
                        set(to, c, Math.max(0, at(to, c) - cut));
                    }
                });
    }

    private interface Row {
        void compute(int t);
    }

    private void forEachRow(Tensor x, Row body) {
        team.shareRows(
                x.rows(),
                2 * x.columns(),
                (from, to) -> {
                    for (int t = from; t < to; t++) {
                        body.compute(t);
                    }
                });
    }

    private static double squares(long row, int columns) {
        double sum = 0;
        for (int c = 0; c < columns; c++) {
            double value = at(row, c);
            sum += value * value;
        }
        return sum;
    }

    private static void require(Tensor x) {
        x.require("x", DType.F32, x.rows(), x.columns());
    }

    private static long row(Tensor tensor, int t) {
        return tensor.pointer().address() + 4L * t * tensor.stride();
    }

    private static float at(long row, int column) {
        return SEGMENT.get(FLOAT, row + 4L * column);
    }

    private static void set(long row, int column, float value) {
        SEGMENT.set(FLOAT, row + 4L * column, value);
    }
}
