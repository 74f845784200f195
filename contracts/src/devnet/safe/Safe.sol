// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeOwners} from "./SafeOwners.sol";

/// @notice How a Safe asks an owner that is a contract whether it signed (the form before ERC-1271 was final).
interface ISignatureValidator {
    function isValidSignature(bytes calldata data, bytes calldata signature) external view returns (bytes4);
}

/// @title Stand-in for Safe 1.4.1: an account of which a number of its owners must sign each transaction
/// @notice Transaction hash, forms of signatures, their order, errors and events are the real one's. Committees of Lido on
/// mainnet run 1.3.0: the same hash, but the first argument of the events about owners, modules and executions is not
/// indexed there.
/// @dev Written from Safe's public interface and documentation. Not here: guards, fallback handlers, and signed messages
/// (their slot is). Behind a `SafeProxy`; this contract itself belongs to nobody and can never be set up.
contract Safe is SafeOwners {
    enum Operation {
        Call,
        DelegateCall
    }

    string public constant VERSION = "1.4.1";
    bytes32 private constant DOMAIN_SEPARATOR_TYPEHASH =
        keccak256("EIP712Domain(uint256 chainId,address verifyingContract)");
    bytes32 private constant SAFE_TX_TYPEHASH = keccak256(
        "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
    );

    event SafeSetup(
        address indexed initiator, address[] owners, uint256 threshold, address initializer, address fallbackHandler
    );
    event SafeReceived(address indexed sender, uint256 value);
    event ApproveHash(bytes32 indexed approvedHash, address indexed owner);
    /// @notice Done. `payment`: what the submitter was paid, in `gasToken`.
    event ExecutionSuccess(bytes32 indexed txHash, uint256 payment);
    /// @notice The call failed and the nonce is used up nevertheless: only with safeTxGas or gasPrice above zero.
    event ExecutionFailure(bytes32 indexed txHash, uint256 payment);
    event ExecutionFromModuleSuccess(address indexed module);
    event ExecutionFromModuleFailure(address indexed module);

    constructor() {
        threshold = 1;
    }

    receive() external payable {
        emit SafeReceived(msg.sender, msg.value);
    }

    /// @notice Makes the account, once. `to` with `data`, `fallbackHandler` and the payment must be zero here.
    function setup(
        address[] calldata owners_,
        uint256 threshold_,
        address to,
        bytes calldata data,
        address fallbackHandler,
        address paymentToken,
        uint256 payment,
        address payable paymentReceiver
    ) external {
        require(to == address(0) && data.length == 0 && fallbackHandler == address(0), "GS000");
        require(paymentToken == address(0) && payment == 0 && paymentReceiver == address(0), "GS011");
        _setupOwners(owners_, threshold_);
        emit SafeSetup(msg.sender, owners_, threshold_, to, fallbackHandler);
    }

    // --------------------------------------------------------------------------------------------------- hashes

    function getChainId() public view returns (uint256) {
        return block.chainid;
    }

    function domainSeparator() public view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_SEPARATOR_TYPEHASH, getChainId(), this));
    }

    /// @notice The bytes whose Keccak hash owners sign.
    function encodeTransactionData(
        address to,
        uint256 value,
        bytes calldata data,
        Operation operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address refundReceiver,
        uint256 nonce_
    ) public view returns (bytes memory) {
        bytes memory fields = abi.encode(SAFE_TX_TYPEHASH, to, value, keccak256(data), operation, safeTxGas);
        fields = bytes.concat(fields, abi.encode(baseGas, gasPrice, gasToken, refundReceiver, nonce_));
        return abi.encodePacked(bytes2(0x1901), domainSeparator(), keccak256(fields));
    }

    /// @notice What owners sign (EIP-712).
    function getTransactionHash(
        address to,
        uint256 value,
        bytes calldata data,
        Operation operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address refundReceiver,
        uint256 nonce_
    ) public view returns (bytes32) {
        return keccak256(
            encodeTransactionData(
                to, value, data, operation, safeTxGas, baseGas, gasPrice, gasToken, refundReceiver, nonce_
            )
        );
    }

    // ----------------------------------------------------------------------------------------------- signatures

    /// @notice An owner's signature by a transaction of its own. Cannot be taken back; a used nonce makes it worthless.
    function approveHash(bytes32 hashToApprove) external {
        require(owners[msg.sender] != address(0), "GS030");
        approvedHashes[msg.sender][hashToApprove] = 1;
        emit ApproveHash(hashToApprove, msg.sender);
    }

    /// @notice Reverts unless the threshold of owners signed.
    function checkSignatures(bytes32 dataHash, bytes memory data, bytes memory signatures) public view {
        require(threshold > 0, "GS001");
        checkNSignatures(dataHash, data, signatures, threshold);
    }

    /// @notice Reverts unless `signatures` begins with so many of distinct owners, ascending by owner. 65 bytes each:
    /// r, s, v. By v: 0, a contract (r is the owner, s the place of its own signature behind all others); 1, a hash that
    /// was approved, or the owner is the sender (r is the owner); above 30, signed as a message by eth_sign, 4 added;
    /// else plain ECDSA.
    /// @dev What comes behind is not looked at. High values of s pass, as in the real one: the order alone makes them distinct.
    function checkNSignatures(bytes32 dataHash, bytes memory data, bytes memory signatures, uint256 requiredSignatures)
        public
        view
    {
        require(signatures.length >= requiredSignatures * 65, "GS020");
        address last = address(0);
        for (uint256 i = 0; i < requiredSignatures; ++i) {
            address owner = _signer(dataHash, data, signatures, i, requiredSignatures);
            require(owner > last && isOwner(owner), "GS026");
            last = owner;
        }
    }

    function _signer(bytes32 dataHash, bytes memory data, bytes memory signatures, uint256 index, uint256 required)
        private
        view
        returns (address owner)
    {
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            let part := add(add(signatures, 0x20), mul(index, 65))
            r := mload(part)
            s := mload(add(part, 0x20))
            v := byte(0, mload(add(part, 0x40)))
        }
        if (v > 30) {
            bytes32 message = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", dataHash));
            return ecrecover(message, v - 4, r, s);
        }
        if (v > 1) return ecrecover(dataHash, v, r, s);
        owner = address(uint160(uint256(r)));
        if (v == 1) {
            require(msg.sender == owner || approvedHashes[owner][dataHash] != 0, "GS025");
        } else {
            _checkContractSignature(owner, data, signatures, uint256(s), required);
        }
    }

    function _checkContractSignature(
        address owner,
        bytes memory data,
        bytes memory signatures,
        uint256 place,
        uint256 required
    ) private view {
        require(place >= required * 65, "GS021");
        require(place <= signatures.length && signatures.length - place >= 32, "GS022");
        uint256 length;
        assembly ("memory-safe") {
            length := mload(add(add(signatures, 0x20), place))
        }
        require(length <= signatures.length - place - 32, "GS023");
        bytes memory signature = new bytes(length);
        assembly ("memory-safe") {
            mcopy(add(signature, 0x20), add(add(signatures, 0x40), place), length)
        }
        bytes4 answer = ISignatureValidator(owner).isValidSignature(data, signature);
        require(answer == ISignatureValidator.isValidSignature.selector, "GS024");
    }

    // ------------------------------------------------------------------------------------------------ executions

    /// @notice Makes a transaction that owners signed at the present nonce. Anyone may submit it.
    /// @return success whether the call went well. With safeTxGas and gasPrice zero a failed call reverts (GS013), and the
    /// nonce stays.
    function execTransaction(
        address to,
        uint256 value,
        bytes calldata data,
        Operation operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address payable refundReceiver,
        bytes memory signatures
    ) external payable returns (bool success) {
        bytes32 txHash;
        {
            bytes memory signed = encodeTransactionData(
                to, value, data, operation, safeTxGas, baseGas, gasPrice, gasToken, refundReceiver, nonce
            );
            nonce += 1;
            txHash = keccak256(signed);
            checkSignatures(txHash, signed, signatures);
        }
        // The call must get what was signed for: a 64th of the gas stays here.
        uint256 least = safeTxGas * 64 / 63;
        require(gasleft() >= (least > safeTxGas + 2500 ? least : safeTxGas + 2500) + 500, "GS010");
        uint256 before = gasleft();
        success = _perform(to, value, data, operation, gasPrice == 0 ? gasleft() - 2500 : safeTxGas);
        before -= gasleft();
        require(success || safeTxGas != 0 || gasPrice != 0, "GS013");
        uint256 payment = gasPrice == 0 ? 0 : _refund(before + baseGas, gasPrice, gasToken, refundReceiver);
        if (success) emit ExecutionSuccess(txHash, payment);
        else emit ExecutionFailure(txHash, payment);
    }

    /// @notice Makes a call without any signature, for a module that owners enabled.
    function execTransactionFromModule(address to, uint256 value, bytes calldata data, Operation operation)
        external
        returns (bool success)
    {
        require(msg.sender != SENTINEL && modules[msg.sender] != address(0), "GS104");
        success = _perform(to, value, data, operation, gasleft());
        if (success) emit ExecutionFromModuleSuccess(msg.sender);
        else emit ExecutionFromModuleFailure(msg.sender);
    }

    function _perform(address to, uint256 value, bytes memory data, Operation operation, uint256 gas_)
        private
        returns (bool ok)
    {
        bool delegated = operation == Operation.DelegateCall;
        assembly ("memory-safe") {
            switch delegated
            case 0 { ok := call(gas_, to, value, add(data, 0x20), mload(data), 0, 0) }
            default { ok := delegatecall(gas_, to, add(data, 0x20), mload(data), 0, 0) }
        }
    }

    function _refund(uint256 gas_, uint256 gasPrice, address gasToken, address payable receiver)
        private
        returns (uint256 payment)
    {
        if (receiver == address(0)) receiver = payable(tx.origin);
        if (gasToken == address(0)) {
            // Ether is paid at no more than the submitter paid.
            payment = gas_ * (gasPrice < tx.gasprice ? gasPrice : tx.gasprice);
            (bool paid,) = receiver.call{value: payment, gas: 2300}("");
            require(paid, "GS011");
        } else {
            payment = gas_ * gasPrice;
            (bool paid, bytes memory said) =
                gasToken.call(abi.encodeWithSignature("transfer(address,uint256)", receiver, payment));
            bool agreed = said.length == 0 ? gasToken.code.length > 0 : said.length >= 32 && abi.decode(said, (bool));
            require(paid && agreed, "GS012");
        }
    }
}
