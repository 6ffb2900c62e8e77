// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FolderRewriteTest {
    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    void valuesCanBeDividedByAnyStoredScale(TensorType type) {
        for (float scale : new float[] {Float.MIN_VALUE, 1e-12f, 3e38f}) {
            float stored = value(type, FolderRewrite.stored(type, scale));
            assertTrue(stored > 0 && Float.isFinite(stored), () -> scale + " is " + stored);
            assertTrue(Float.isFinite(1 / stored), () -> "1 / " + stored);
        }
        assertEquals(0.25f, value(type, FolderRewrite.stored(type, 0.25f)));
    }

    private static float value(TensorType type, byte[] stored) {
        ByteBuffer bytes = ByteBuffer.wrap(stored).order(ByteOrder.LITTLE_ENDIAN);
        return switch (type) {
            case F16 -> Float.float16ToFloat(bytes.getShort());
            case BF16 -> Float.intBitsToFloat(bytes.getShort() << 16);
            default -> bytes.getFloat();
        };
    }
}
