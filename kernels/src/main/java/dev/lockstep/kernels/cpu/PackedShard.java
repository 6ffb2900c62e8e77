// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// What the packed weights of a rank are made from, apart from the kernels that pack them.
///
/// @param model the model's name, for people; a long one is cut
/// @param content hexadecimal digest of the checkpoint
/// @param stamp hexadecimal digest of the sizes of its files and of when they were written
/// @param compute the compute type of plain weights
public record PackedShard(
        String model, String content, String stamp, int rank, int ranks, String compute) {

    private static final int MODEL_CHARACTERS = 200;

    public PackedShard {
        model = model.replaceAll("\\p{Cntrl}", " ");
        model = model.substring(0, Math.min(MODEL_CHARACTERS, model.length()));
        if (!content.matches("[0-9a-f]{16,128}") || !stamp.matches("[0-9a-f]{16,128}")) {
            throw new IllegalArgumentException(
                    "content %s and stamp %s, must be 16 to 128 hexadecimal digits"
                            .formatted(content, stamp));
        }
        if (rank < 0 || rank >= ranks) {
            throw new IllegalArgumentException("rank %d of %d".formatted(rank, ranks));
        }
        if (!compute.matches("[a-z0-9]{1,16}")) {
            throw new IllegalArgumentException(
                    "compute type \"%s\", must be a word such as bf16".formatted(compute));
        }
    }
}
