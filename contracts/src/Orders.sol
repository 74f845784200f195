// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Powers} from "./Powers.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title What sentinels sign, and when it counts
abstract contract Orders is Powers, EIP712 {
    bytes32 private constant ORDER_TYPEHASH =
        keccak256("Order(address target,uint64 epoch,bytes32 decision,uint64 observedBlock,bytes32 observedBlockHash)");
    uint256 private constant SIGNATURE_LENGTH = 65;

    /// @dev Orders that are void for ever: cancelled, or told in shadow. An order that paused needs no entry: the pause
    /// raised the epoch that it names.
    mapping(bytes32 digest => bool) private _closed;

    constructor() EIP712("Stakewarden Guardian", "1") {}

    /// @notice The EIP-712 digest: chain and contract are in it, so an order means nothing on a fork or elsewhere.
    function orderDigest(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    ORDER_TYPEHASH,
                    order.target,
                    order.epoch,
                    order.decision,
                    order.observedBlock,
                    order.observedBlockHash
                )
            )
        );
    }

    /// @notice Whether this order was cancelled or told in shadow.
    function isClosed(bytes32 digest) external view returns (bool) {
        return _closed[digest];
    }

    /// @notice Voids an order, seen or not yet seen, at once and for ever.
    /// @dev Doing it twice is no error: two people may wake up.
    function cancel(Order calldata order) external onlyPeople {
        bytes32 digest = orderDigest(order);
        _close(digest);
        emit OrderCancelled(order.target, order.decision, msg.sender, digest);
    }

    function _close(bytes32 digest) internal {
        _closed[digest] = true;
    }

    /// @dev What the order itself says. The epoch stops what was signed before the target was armed, disarmed, changed or
    /// paused; the age stops an order that was kept back until its reason is gone.
    function _orderRefusal(Order calldata order, bytes32 digest, uint64 epoch) internal view returns (Refusal) {
        if (order.epoch != epoch) return Refusal.WrongEpoch;
        if (_closed[digest]) return Refusal.OrderClosed;
        if (order.observedBlock > block.number) return Refusal.BlockInFuture;
        if (block.number - order.observedBlock > ceilings().orderAge) return Refusal.OrderTooOld;
        return Refusal.None;
    }

    /// @dev K distinct live sentinels. Every signature given has to count: what is in the event did sign. Ascending signers
    /// cannot repeat (one stolen key is one signature). Low s and fixed length: a signature has one form, so nobody can make
    /// a second one out of it. No ERC-1271: a contract could call any sender a sentinel.
    function _signers(bytes32 digest, bytes calldata signatures)
        internal
        view
        returns (Refusal, address[] memory signers)
    {
        uint256 count = signatures.length / SIGNATURE_LENGTH;
        if (signatures.length % SIGNATURE_LENGTH != 0 || count > MAX_SENTINELS) {
            return (Refusal.MalformedSignatures, signers);
        }
        if (count < threshold) return (Refusal.TooFewSignatures, signers);
        signers = new address[](count);
        address last = address(0);
        for (uint256 i = 0; i < count; ++i) {
            (address signer, ECDSA.RecoverError problem,) =
                ECDSA.tryRecoverCalldata(digest, signatures[i * SIGNATURE_LENGTH:(i + 1) * SIGNATURE_LENGTH]);
            if (problem != ECDSA.RecoverError.NoError) return (Refusal.BadSignature, signers);
            if (signer <= last) return (Refusal.SignersNotAscending, signers);
            Refusal refusal = _sentinelRefusal(signer);
            if (refusal != Refusal.None) return (refusal, signers);
            signers[i] = last = signer;
        }
        return (Refusal.None, signers);
    }

    /// @dev An order dies with the chain that its signers saw: after a reorganisation it is judged and signed again. A block
    /// without a known hash (the head itself, or beyond 256 blocks) matches nothing, not even an order that names 0.
    function _sameChain(Order calldata order) internal view returns (bool) {
        bytes32 known = _blockHash(order.observedBlock);
        return known != bytes32(0) && known == order.observedBlockHash;
    }

    /// @dev Virtual for provers, which do not know the opcode.
    function _blockHash(uint256 number) internal view virtual returns (bytes32) {
        return blockhash(number);
    }
}
