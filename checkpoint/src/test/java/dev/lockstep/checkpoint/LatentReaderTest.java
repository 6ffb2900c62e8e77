// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LatentReaderTest {
    private static final String SHAPE =
            """
            "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
            "v_head_dim": 128""";

    @Test
    void theShapeIsRead() {
        assertEquals(
                Optional.of(new LatentConfig(1536, 512, 128, 64, 128, true)),
                read(SHAPE + ", \"q_lora_rank\": 1536").latent());
        assertEquals(
                Optional.of(new LatentConfig(0, 512, 128, 64, 128, false)),
                read(SHAPE + ", \"q_lora_rank\": null, \"rope_interleave\": false").latent());
        assertEquals(Optional.empty(), read("\"head_dim\": 64").latent());
    }

    /// DeepSeek-V3: 0.1 · ln 40 + 1, squared.
    @Test
    void aScaledRopeScalesTheScores() {
        LatentReader plain = read(SHAPE);
        LatentConfig latent = plain.latent().orElseThrow();
        assertEquals(1 / Math.sqrt(192), plain.scale(latent));
        LatentReader scaled =
                read(
                        SHAPE
                                + ", \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40,"
                                + " \"mscale\": 1.0, \"mscale_all_dim\": 1.0}");
        double m = 0.1 * Math.log(40) + 1;
        assertEquals(m * m / Math.sqrt(192), scaled.scale(latent), 1e-12);
    }

    @Test
    void aLatentThatIsShorterThanAHeadIsRefused() {
        IllegalArgumentException refused =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> new LatentConfig(0, 64, 128, 64, 128, true));
        assertTrue(
                String.valueOf(refused.getMessage())
                        .contains("unrotated query dimensions 128 is not between 1 and 64"));
    }

    @Test
    void pairsOfAPartOfAHeadAreReordered() {
        var order = new RowOrder.AdjacentPairs(7, 3, 4);
        int[] expected = {0, 1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 12, 11, 13};
        for (int row = 0; row < expected.length; row++) {
            assertEquals(expected[row], order.storedRow(row));
        }
    }

    private static LatentReader read(String keys) {
        return new LatentReader(
                JsonObject.parse(
                        Path.of("config.json"),
                        ("{" + keys + "}").getBytes(StandardCharsets.UTF_8)));
    }
}
