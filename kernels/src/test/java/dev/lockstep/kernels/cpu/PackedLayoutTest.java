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
            IQ2_GRID F32 c8bbf1aa
            IQ3_GRID F32 7b0c0a92
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
            Q4_0 F32 341386d4
            Q4_1 F32 8ee890c8
            Q5_0 F32 0baec562
            Q5_1 F32 c9f7cfab
            Q8_0 F32 f44e1a40
            IQ4_NL F32 3a5f7899
            MXFP4 F32 755ce94f
            Q2_K F32 0e89cf08
            Q3_K F32 198db98b
            Q4_K F32 4e1d934f
            Q5_K F32 7f1d4e13
            Q6_K F32 e4bb4249
            IQ4_XS F32 71fe24da
            IQ2_GRID F32 bb768d78
            IQ3_GRID F32 ab0f430c
            E4M3 F32 999a2462
            Q4_OFFSET F32 a87bdb2c
            Q4_ZERO F32 704232cf
            Q8_OFFSET F32 686742c2
            NVFP4 F32 5fa92e01
            Q4_ZERO_32 F32 9fd1cd49
            Q8_ZERO F32 c045febd
            Q8_ZERO_32 F32 b4fc45b7
            NF4 F32 22e5c141
            FP4 F32 22e5c141
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
        assertEquals(1, ops.layout().version());
        assertEquals(set.isNative() ? NATIVE : VECTOR, String.join("\n", sums) + "\n");
    }
}
