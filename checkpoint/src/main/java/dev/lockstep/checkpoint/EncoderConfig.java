// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// What a model has whose tokens attend to later ones too: it encodes a whole text and generates
/// none. In layers with a window a token attends to as many later tokens as earlier ones.
///
/// @param tokenTypes rows of the table of token types, of which a text has the first; 0 for none
/// @param firstPosition where learned positions begin in their table: the rows before are for
///   padding
public record EncoderConfig(int tokenTypes, int firstPosition) {
    public EncoderConfig {
        ModelConfig.requireBetween("token types", tokenTypes, 0, 1 << 16);
        ModelConfig.requireBetween("first position", firstPosition, 0, 1 << 16);
    }
}
