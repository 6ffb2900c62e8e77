// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.WorkerProtocol;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.KvGroupInfo;
import java.util.HashMap;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;

/// Decides from what the ranks report about themselves whether they form one group, and with which
/// limits.
final class Handshake {
    private record Field(String name, Function<Joined, String> value) {}

    // In the order in which a user would look for the mistake.
    private static final List<Field> EQUAL_ON_ALL_RANKS =
            List.of(
                    new Field("protocol version", Joined::getProtocolVersion),
                    new Field("build", Joined::getBuild),
                    new Field("model digest", Joined::getModelDigest),
                    new Field("model", Joined::getModel),
                    new Field("tokenizer digest", Joined::getTokenizerDigest),
                    new Field("compute type", Joined::getComputeType),
                    new Field("KV type", Joined::getKvType),
                    new Field("settings", Joined::getSettings),
                    new Field("settings digest", Joined::getSettingsDigest),
                    new Field("instruction set", Joined::getInstructionSet),
                    new Field("max-model-len", joined -> "" + joined.getMaxModelLen()),
                    new Field("vocabulary", joined -> "" + joined.getVocabSize()),
                    new Field("block size", joined -> "" + joined.getBlockSize()),
                    new Field("prompt span", joined -> "" + joined.getPromptSpan()),
                    new Field("KV groups", Handshake::kvGroups));

    private Handshake() {}

    /// Returns the group to form, or throws a refusal that names both values. A limit of 0 is not
    /// set: `maxBatchedTokens` is then measured, unless a rank sets it.
    static Form agree(List<Joined> ranks, String rendezvous, int maxSequences, int maxBatchedTokens)
            throws FormationException {
        Joined first = ranks.getFirst();
        if (!first.getProtocolVersion().equals(WorkerProtocol.VERSION)) {
            throw FormationException.refused(
                    "protocol version differs: the scheduler has "
                            + WorkerProtocol.VERSION
                            + ", rank 0 has "
                            + first.getProtocolVersion()
                            + "; a group's processes must be of the same version of Lockstep");
        }
        for (Field field : EQUAL_ON_ALL_RANKS) {
            requireEqual(field, ranks);
        }
        for (String name : versionNames(ranks)) {
            requireEqual(
                    new Field(name, joined -> joined.getVersionsOrDefault(name, "none")), ranks);
        }
        if (ranks.stream().anyMatch(Joined::getNeedsOneHost)) {
            requireEqual(new Field("host", Joined::getHost), ranks);
        } else if (ranks.size() > 1 && first.getCollectiveId().isEmpty()) {
            throw FormationException.refused(
                    "rank 0 has no collective id, with which ranks meet that need not share a host");
        }
        requireOwnDevices(ranks);
        long blocks = Long.MAX_VALUE;
        int sequences = maxSequences;
        int tokens = maxBatchedTokens;
        for (int rank = 0; rank < ranks.size(); rank++) {
            Joined joined = ranks.get(rank);
            if (joined.getRank() != rank) {
                throw FormationException.refused(
                        "the worker announced as rank "
                                + rank
                                + " reports rank "
                                + joined.getRank());
            }
            blocks = Math.min(blocks, joined.getKvBlocks());
            sequences = minGiven(sequences, joined.getMaxNumSeqs());
            tokens = minGiven(tokens, joined.getMaxNumBatchedTokens());
        }
        if (blocks < 2 || blocks > Integer.MAX_VALUE) {
            throw FormationException.refused(
                    "KV memory of "
                            + blocks
                            + " blocks; from 2 to "
                            + Integer.MAX_VALUE
                            + " are possible, see --kv-memory");
        }
        return Form.newBuilder()
                .setEpoch(first.getEpoch())
                .setRendezvous(rendezvous)
                .setKvBlocks(blocks)
                .setMaxNumSeqs(sequences)
                .setMaxNumBatchedTokens(tokens)
                .setCollectiveId(first.getCollectiveId())
                .build();
    }

    private static void requireEqual(Field field, List<Joined> ranks) throws FormationException {
        String expected = field.value().apply(ranks.getFirst());
        for (int rank = 1; rank < ranks.size(); rank++) {
            String found = field.value().apply(ranks.get(rank));
            if (!expected.equals(found)) {
                throw FormationException.refused(
                        field.name()
                                + " differs: rank 0 has "
                                + expected
                                + ", rank "
                                + rank
                                + " has "
                                + found
                                + "; it must be the same on all ranks of a group");
            }
        }
    }

    /// Returns the names of the versions that any rank has, in their order.
    private static Set<String> versionNames(List<Joined> ranks) {
        var names = new TreeSet<String>();
        ranks.forEach(rank -> names.addAll(rank.getVersionsMap().keySet()));
        return names;
    }

    private static void requireOwnDevices(List<Joined> ranks) throws FormationException {
        var owners = new HashMap<String, Integer>();
        for (int rank = 0; rank < ranks.size(); rank++) {
            String device = ranks.get(rank).getDeviceId();
            Integer owner = device.isEmpty() ? null : owners.putIfAbsent(device, rank);
            if (owner != null) {
                throw FormationException.refused(
                        "rank "
                                + owner
                                + " and rank "
                                + rank
                                + " both run on device "
                                + device
                                + "; each rank of a group needs its own");
            }
        }
    }

    static int minGiven(int limit, int other) {
        return limit == 0 ? other : other == 0 ? limit : Math.min(limit, other);
    }

    // The bytes per block differ by rank where heads are split unevenly; the kinds must not differ.
    private static String kvGroups(Joined joined) {
        var text = new StringBuilder();
        for (KvGroupInfo group : joined.getKvGroupsList()) {
            text.append(text.isEmpty() ? "" : ", ").append(group.getLayers()).append(' ');
            text.append(group.getKind());
            text.append(group.getWindow() > 0 ? " of " + group.getWindow() : "");
        }
        return text.toString();
    }
}
