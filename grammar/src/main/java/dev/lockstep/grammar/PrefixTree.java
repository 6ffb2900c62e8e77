// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Token ids by their bytes: a node for each prefix, in preorder, children by byte.
final class PrefixTree {
    private final int count;
    private final byte[] bytes;

    /// Nodes below a node and itself.
    private final int[] sizes;

    /// Where the ids of a node begin; those of the last node end at the last entry.
    private final int[] firstIds;

    private final int[] ids;

    /// @param tokens bytes by id
    /// @param sorted the ids of this tree in unsigned order of their bytes
    PrefixTree(byte[] @Nullable [] tokens, int[] sorted) {
        ids = sorted.clone();
        int capacity = 0;
        byte[] before = {};
        for (int id : sorted) {
            byte[] token = Objects.requireNonNull(tokens[id]);
            capacity += token.length - common(before, token);
            before = token;
        }
        bytes = new byte[capacity];
        sizes = new int[capacity];
        firstIds = new int[capacity + 1];
        int[] path = new int[256];
        int depth = 0;
        int node = 0;
        before = new byte[0];
        for (int i = 0; i < sorted.length; i++) {
            byte[] token = Objects.requireNonNull(tokens[sorted[i]]);
            int shared = common(before, token);
            while (depth > shared) {
                depth--;
                sizes[path[depth]] = node - path[depth];
            }
            if (token.length > path.length) {
                path = Arrays.copyOf(path, 2 * token.length);
            }
            for (; depth < token.length; depth++) {
                bytes[node] = token[depth];
                firstIds[node] = i;
                path[depth] = node++;
            }
            before = token;
        }
        while (depth > 0) {
            depth--;
            sizes[path[depth]] = node - path[depth];
        }
        firstIds[node] = sorted.length;
        count = node;
    }

    private static int common(byte[] one, byte[] other) {
        int mismatch = Arrays.mismatch(one, other);
        return mismatch < 0 ? one.length : mismatch;
    }

    /// The number of nodes; they are 0 to count − 1, and the children of the root begin at 0.
    int count() {
        return count;
    }

    int valueOf(int node) {
        return bytes[node] & 0xFF;
    }

    /// The first node after those below this one.
    int end(int node) {
        return node + sizes[node];
    }

    int firstId(int node) {
        return firstIds[node];
    }

    /// Where the ids of the node itself end, which are before those of its children.
    int endOfIds(int node) {
        return firstIds[node + 1];
    }

    /// The number of ids in the whole tree.
    int ids() {
        return ids.length;
    }

    /// Where the ids of a node and of all below it end.
    int endOfAllIds(int node) {
        return firstIds[node + sizes[node]];
    }

    int id(int index) {
        return ids[index];
    }
}
