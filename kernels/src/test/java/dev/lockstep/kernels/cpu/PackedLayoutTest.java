// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.StoredMatrix;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The bytes of packed weights, which lie in the files of earlier builds. Who changes them raises
/// the version in `layout()` of the [MatmulOps] and then writes the new checksums here.
final class PackedLayoutTest {
    @TempDir Path folder;

    private static final String NATIVE =
            """
            F32 F32 41567e32
            F16 F32 16fd4941
            BF16 F32 2558f389
            Q4_0 F32 2123fe24
            Q4_1 F32 5513d78f
            Q5_0 F32 66a5ffb6
            Q5_1 F32 185ede71
            Q8_0 F32 3439de1c
            IQ4_NL F32 9f304472
            MXFP4 F32 1c13af2e
            Q2_K F32 022d5146
            Q3_K F32 c43cbd14
            Q4_K F32 e7ceeb1b
            Q5_K F32 b0dfbda0
            Q6_K F32 6b309bfb
            IQ4_XS F32 00555608
            IQ1_S F32 ad1fb88a
            IQ1_M F32 d8ac4d07
            IQ2_XXS F32 92665124
            IQ2_XS F32 8be812d3
            IQ2_S F32 9340e0be
            IQ3_XXS F32 41dcfcb0
            IQ3_S F32 165e9877
            TQ1_0 F32 3536ce3d
            TQ2_0 F32 c00caccc
            E4M3 F32 ef4b524a
            Q4_OFFSET F32 bde6780e
            Q4_ZERO F32 be6c721d
            Q8_OFFSET F32 6d88f688
            NVFP4 F32 18a88191
            Q4_ZERO_32 F32 da454d7a
            Q8_ZERO F32 3f47c0d8
            Q8_ZERO_32 F32 27e2f627
            NF4 F32 165058fa
            FP4 F32 165058fa
            Q4_ZERO_128 F32 41fd18a1
            F32 BF16 85427915
            F16 BF16 9e5ae06d
            BF16 BF16 85427915
            E4M3 BF16 ef4b524a
            NVFP4 BF16 18a88191
            NF4 BF16 165058fa
            FP4 BF16 165058fa
            """;

    private static final String VECTOR =
            """
            F32 F32 41567e32
            F16 F32 16fd4941
            BF16 F32 2558f389
            Q4_0 F32 1d768163
            Q4_1 F32 f8952e36
            Q5_0 F32 64234ee8
            Q5_1 F32 074fe094
            Q8_0 F32 f3dde94e
            IQ4_NL F32 3cc54c50
            MXFP4 F32 fe54639c
            Q2_K F32 80a3c003
            Q3_K F32 b5ff0519
            Q4_K F32 e9b84ec9
            Q5_K F32 35c892fa
            Q6_K F32 c3c2e8b4
            IQ4_XS F32 e5f63a7c
            IQ1_S F32 30e79716
            IQ1_M F32 a662c5b4
            IQ2_XXS F32 055cc7b1
            IQ2_XS F32 2b63a546
            IQ2_S F32 c537bac3
            IQ3_XXS F32 5d870e66
            IQ3_S F32 0042d5eb
            TQ1_0 F32 42c0c7fd
            TQ2_0 F32 27116bb3
            E4M3 F32 999a2462
            Q4_OFFSET F32 87ef422f
            Q4_ZERO F32 3ad76b98
            Q8_OFFSET F32 04d24aab
            NVFP4 F32 5fa92e01
            Q4_ZERO_32 F32 050ad9f1
            Q8_ZERO F32 9a98dc24
            Q8_ZERO_32 F32 cc94bedb
            NF4 F32 22e5c141
            FP4 F32 22e5c141
            Q4_ZERO_128 F32 209a7b86
            F32 BF16 85427915
            F16 BF16 9e5ae06d
            BF16 BF16 85427915
            E4M3 BF16 999a2462
            NVFP4 BF16 5fa92e01
            NF4 BF16 22e5c141
            FP4 BF16 22e5c141
            """;

    @ParameterizedTest
    @MethodSource("dev.lockstep.kernels.cpu.InstructionSet#available")
    void packedBytesChangeOnlyWithTheVersionOfTheLayout(InstructionSet set) {
        MatmulOps ops = CpuOps.of(set).matmul();
        var shard = new PackedShard("m", "0".repeat(16), "0".repeat(16), 0, 1, "f32");
        var sums = new ArrayList<String>();
        for (DType compute : List.of(DType.F32, DType.BF16)) {
            for (TensorType type : TensorType.values()) {
                if (compute == DType.F32 || !type.multipliesInt8()) {
                    var options = new PackedOptions(folder, shard, PackedOptions.Access.READ);
                    try (var run = new PackedRun(options, ops, 1)) {
                        StoredMatrix stored = StoredMatrix.random(type, 21, 320, 7);
                        int[] rows = {3, 20, 1};
                        var bytes = new ByteArrayOutputStream();
                        run.prepare(List.of(stored.whole(), stored.shard(rows, 96, 320)), compute)
                                .forEach(bytes::writeBytes);
                        int sum = PackedFile.sum(ByteBuffer.wrap(bytes.toByteArray()));
                        sums.add("%s %s %08x".formatted(type, compute, sum));
                    }
                }
            }
        }
        assertEquals(set.isNative() ? 1 : 2, ops.layout().version());
        assertEquals(set.isNative() ? NATIVE : VECTOR, String.join("\n", sums) + "\n");
    }
}
